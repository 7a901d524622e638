"""One photo, done: the same for everybody who asks, with the photo's own transparency kept."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from bshm.pictures import Box, Photo
from bshm.pipeline import Cutout, Recipe, finish, render


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


@pytest.mark.parametrize("name, kind", [("a.JPG", "JPEG"), ("a.webp", "WEBP"), ("a", "PNG")])
def test_the_ending_of_its_name_says_what_is_saved(photo, tmp_path, name, kind):
    cutout = render(photo._replace(icc=None), Half(), Recipe())
    cutout.save(tmp_path / name)
    cutout.save(str(tmp_path / "b.any"), format="jpeg", quality=50)
    with Image.open(tmp_path / name) as written, Image.open(tmp_path / "b.any") as other:
        assert (written.format, other.format) == (kind, "JPEG")
    with pytest.raises(ValueError, match=r"ends in one of \.png \.jpg \.webp, got"):
        cutout.save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match="one of the formats png, jpeg, webp, got 'bmp'"):
        cutout.encode("bmp")


@pytest.mark.parametrize(
    "crop, box",
    [
        (None, Box(0, 8, 0, 8)),
        (0, Box(4, 8, 0, 4)),
        ("1", Box(3, 8, 0, 5)),
        ("2px", Box(2, 8, 0, 6)),
        ("50%", Box(2, 8, 0, 6)),
        (99, Box(0, 8, 0, 8)),
    ],
)
@pytest.mark.parametrize("only_alpha", [False, True])
def test_a_crop_is_the_box_and_a_margin_within_the_photo(photo, crop, box, only_alpha):
    whole = render(photo, Half(), Recipe(only_alpha=only_alpha))
    cropped = render(photo, Half(), Recipe(only_alpha=only_alpha, crop=crop))
    window = whole.pixels[box.top : box.bottom, box.left : box.right]
    np.testing.assert_array_equal(cropped.pixels, window)
    assert cropped.icc == whole.icc


def test_a_crop_of_nobody_is_the_whole_photo(photo):
    assert finish(photo, np.zeros((8, 8), np.float32), Recipe(crop=0)).pixels.shape == (8, 8, 4)


@pytest.mark.parametrize("crop", [-1, 0.05, "5 %%", "%", "", "5em", True])
def test_a_recipe_refuses_what_is_no_margin(crop):
    with pytest.raises(ValueError, match="expected a margin in pixels or per cent"):
        Recipe(crop=crop)


def test_recipes_whose_results_differ_have_fingerprints_that_differ():
    recipes = [
        *(Recipe(), Recipe(only_alpha=True), Recipe(format="webp"), Recipe(crop=0)),
        *(Recipe(crop=5), Recipe(crop="5%"), Recipe(crop="5%", format="webp")),
    ]
    assert len({recipe.fingerprint() for recipe in recipes}) == len(recipes)
    assert Recipe().fingerprint() == Recipe(max_pixels=1).fingerprint()
    assert Recipe(format="JPG").fingerprint() == Recipe(format="jpeg").fingerprint()
    assert Recipe(crop=5, format="jpeg").of_matte() == Recipe(crop=5, only_alpha=True)
