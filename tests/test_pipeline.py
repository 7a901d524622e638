"""One photo, done: the same for everybody who asks, with the photo's own transparency kept."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageCms

from bshm.errors import InputError
from bshm.pictures import Box, Photo
from bshm.pipeline import Composite, Cutout, Recipe, finish, render
from bshm.scene.compose import wish


class Half:
    """A stand-in for Matting that takes the left half for people."""

    def alpha(self, rgb):
        alpha = np.zeros(rgb.shape[:2], np.float32)
        alpha[:, : rgb.shape[1] // 2] = 1
        return alpha


@pytest.fixture
def photo():
    """Grey, and in the file its upper half is transparent."""
    alpha = np.full((8, 8), 255, np.uint8)
    alpha[:4] = 0
    return Photo(np.full((8, 8, 3), 90, np.uint8), b"profile", alpha)


@pytest.mark.parametrize("only_alpha", [False, True])
def test_what_was_transparent_in_the_photo_stays_so(photo, only_alpha):
    cutout = render(photo, Half(), Recipe(only_alpha=only_alpha))
    assert not cutout.matte[:4].any() and not cutout.matte[:, 4:].any()
    assert (cutout.matte[4:, :4] == 255).all()
    if not only_alpha:
        assert not cutout.rgba[cutout.matte == 0].any()
        assert (cutout.rgba[4:, :4] == (90, 90, 90, 255)).all()


def test_rendered_is_finished_with_the_alpha_that_was_found(photo):
    rendered = render(photo, Half(), Recipe())
    finished = finish(photo, Half().alpha(photo.rgb), Recipe())
    np.testing.assert_array_equal(rendered.pixels, finished.pixels)
    assert rendered.icc == finished.icc == b"profile"


def test_a_cutout_says_where_its_people_are(photo):
    cutout = render(photo, Half(), Recipe())
    assert cutout.box == Box(4, 8, 0, 4) and cutout.coverage == 0.25
    assert cutout.alpha.dtype == np.float32 and set(np.unique(cutout.alpha)) == {0, 1}
    nobody = Cutout(np.zeros((3, 5, 4), np.uint8))
    assert nobody.box is None and nobody.coverage == 0


def test_a_matte_alone_has_no_colours_and_says_so(photo):
    with pytest.raises(ValueError, match="the matte alone"):
        _ = render(photo, Half(), Recipe(only_alpha=True)).rgba


def test_a_cutout_is_saved_as_it_is(photo, tmp_path):
    cutout = render(photo._replace(icc=None), Half(), Recipe())
    cutout.save(tmp_path / "new" / "cutout.png")
    with Image.open(tmp_path / "new" / "cutout.png") as written:
        np.testing.assert_array_equal(np.asarray(written), cutout.rgba)


def test_recipes_whose_results_differ_have_fingerprints_that_differ():
    assert Recipe().fingerprint() != Recipe(only_alpha=True).fingerprint()
    assert Recipe().fingerprint() == Recipe(max_pixels=1).fingerprint()


def _scene_photo():
    random = np.random.default_rng(0)
    return Photo(random.integers(40, 200, (8, 8, 3)).astype(np.uint8))


def test_a_scene_of_the_recipe_is_what_the_cutout_makes_by_itself():
    photo = _scene_photo()
    made = render(photo, Half(), Recipe(scene=wish("#102030", shadow="drop")))
    cutout = render(photo, Half(), Recipe())
    assert isinstance(made, Composite) and made.pixels.shape == (8, 8, 3)
    np.testing.assert_array_equal(made.pixels, cutout.on("#102030", shadow="drop").pixels)
    np.testing.assert_array_equal(cutout.on("#102030").pixels[:, 7], [[0x10, 0x20, 0x30]] * 8)


def test_a_cutout_goes_on_files_and_arrays_and_needs_the_photo_for_its_light(tmp_path):
    photo, path = _scene_photo(), tmp_path / "dark.png"
    dark = np.random.default_rng(1).integers(0, 40, (8, 8, 3)).astype(np.uint8)
    Image.fromarray(dark).save(path)
    cutout = render(photo, Half(), Recipe())
    for behind in (str(path), dark):
        unlit, lit = cutout.on(behind).pixels, cutout.on(behind, photo).pixels
        np.testing.assert_array_equal(unlit[:, :4], cutout.rgba[:, :4, :3])
        assert lit[:, :4].mean() < unlit[:, :4].mean() - 5
    assert cutout.on("blur", photo).pixels.shape == (8, 8, 3)
    with pytest.raises(ValueError, match="needs the photo"):
        cutout.on("blur")
    with pytest.raises(InputError, match="No such file"):
        cutout.on("missing.png")
    with pytest.raises(ValueError, match="scale"):
        cutout.on("red", scale=9)


def test_composites_are_saved_as_pngs_with_the_photos_profile(tmp_path):
    photo = Photo(
        _scene_photo().rgb, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    )
    render(photo, Half(), Recipe(scene=wish("red"))).save(tmp_path / "made.png")
    with Image.open(tmp_path / "made.png") as made:
        assert made.mode == "RGBA" and made.info["icc_profile"] == photo.icc
        assert np.abs(np.asarray(made)[0, 7].astype(int) - (255, 0, 0, 255)).max() <= 2


def test_scenes_that_differ_have_fingerprints_that_differ():
    pictures = [np.full((9, 9, 3), value, np.uint8) for value in (1, 2)]
    scenes = [None, wish("red"), wish("blue"), wish("red", shadow="drop"), *map(wish, pictures)]
    assert len({Recipe(scene=scene).fingerprint() for scene in scenes}) == len(scenes)
    assert Recipe(scene=wish("f00")).fingerprint() == Recipe(scene=wish("red")).fingerprint()
