"""One photo, done: the same for everybody who asks, with the photo's own transparency kept."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageCms

from bshm import Matting
from bshm.cutouts.cutout import Trim
from bshm.errors import InputError
from bshm.pictures import Box, Photo
from bshm.pipeline import Composite, Cutout, Recipe, finish, render
from bshm.scene.compose import scene_of
from tests.helpers import PORTRAITS, ROOT, sample


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
    for odd in ("a.tif", "a.pdf", "a.txt"):
        with pytest.raises(ValueError, match=r"ends in one of \.png \.jpg \.webp, got"):
            cutout.save(tmp_path / odd)
        assert not (tmp_path / odd).exists()
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
    window = box.of(whole.pixels)
    np.testing.assert_array_equal(cropped.pixels, window)
    assert cropped.icc == whole.icc


def test_a_crop_of_nobody_is_the_whole_photo(photo):
    assert finish(photo, np.zeros((8, 8), np.float32), Recipe(crop=0)).pixels.shape == (8, 8, 4)


@pytest.mark.parametrize("crop", [-1, 0.05, "5 %%", "%", "", "5em"])
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


def _scene_photo():
    random = np.random.default_rng(0)
    return Photo(random.integers(40, 200, (8, 8, 3)).astype(np.uint8))


def test_a_scene_of_the_recipe_is_what_the_cutout_makes_by_itself():
    photo = _scene_photo()
    made = render(photo, Half(), Recipe(scene=scene_of("#102030", shadow="drop")))
    cutout = render(photo, Half(), Recipe())
    assert isinstance(made, Composite) and made.pixels.shape == (8, 8, 3)
    np.testing.assert_array_equal(made.pixels, cutout.on("#102030", shadow="drop").pixels)
    np.testing.assert_array_equal(cutout.on("#102030").pixels[:, 7], [[0x10, 0x20, 0x30]] * 8)


def test_transparency_of_the_photo_changes_no_colours():
    """What shows half is no mixture with what was behind."""
    rgb = sample("1.png", 96, 96)
    half = Photo(rgb, None, np.full(rgb.shape[:2], 128, np.uint8))
    with Matting(weights="bshm-lite") as matting:
        alpha = matting.alpha(rgb)
    made = finish(half, alpha, Recipe(scene=scene_of("transparent"))).pixels
    solid = alpha == 1
    assert (made[solid, 3] == 128).all() and solid.mean() > 0.2
    assert np.abs(made[solid, :3].astype(int) - rgb[solid]).max() <= 1


def test_where_a_cutout_lies_is_known_through_all_its_trims():
    photo = Photo(np.full((400, 300, 3), 90, np.uint8))
    alpha = np.zeros((400, 300), np.float32)
    alpha[40:360, 60:240] = 1
    cropped = finish(photo, alpha, Recipe(crop=5))
    for shadow in ("none", "drop"):
        again = cropped.on("white", shadow=shadow).crop()
        assert again.trim == Trim(Box(40, 360, 60, 240), (400, 300))


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


@pytest.mark.parametrize("shadow", ["cast:azimuth=120", "auto", "drop"])
def test_a_frame_on_nothing_is_trimmed_to_the_people_and_their_shadow(shadow):
    photo, alpha = Photo(np.full((200, 160, 3), 90, np.uint8)), np.zeros((200, 160), np.float32)
    alpha[40:180, 60:90] = 1
    whole = finish(photo, alpha, Recipe(scene=scene_of(shadow=shadow)))
    trimmed = finish(photo, alpha, Recipe(scene=scene_of(shadow=shadow), crop=2))
    left, top = whole.grown[:2]
    seen = np.argwhere(whole.pixels[..., 3] >= 4)  # of 255: what is fainter nobody sees
    (first, begin), (last, end) = seen.min(0), seen.max(0) + 1
    box = Box(
        *(min(first, 38 + top), max(last, 182 + top)),
        *(min(begin, 58 + left), max(end, 92 + left)),
    )
    assert box.area > 1.2 * 144 * 34  # the shadow needs room
    np.testing.assert_array_equal(trimmed.pixels, box.of(whole.pixels))
    again = trimmed.crop(2)
    np.testing.assert_array_equal(again.pixels, trimmed.pixels)
    unshaded = finish(photo, alpha, Recipe(scene=scene_of(scale=1, shadow="none"), crop=2))
    assert unshaded.pixels.shape[:2] == (144, 34)


def test_a_trimmed_cutout_sees_its_part_of_the_photo():
    """Twice trimmed, and before a picture or the photo's own background."""
    photo = Photo(np.random.default_rng(0).integers(40, 200, (40, 40, 3)).astype(np.uint8))
    alpha = np.zeros((40, 40), np.float32)
    alpha[12:30, 17:29] = 1
    trimmed = finish(photo, alpha, Recipe(crop=9)).crop(4)
    part = Photo(photo.rgb[8:34, 13:33])
    whole = finish(part, alpha[8:34, 13:33], Recipe())
    for behind in ("blur:0.7", np.full((9, 9, 3), 30, np.uint8)):
        found = trimmed.on(behind, photo, shadow="drop").pixels
        np.testing.assert_array_equal(found, whole.on(behind, part, shadow="drop").pixels)
        for cut, other in ((trimmed, part), (whole, photo)):
            with pytest.raises(ValueError, match="expected the photo that was cut out"):
                cut.on(behind, other)


def test_a_cutout_goes_on_whatever_a_photo_may_be_given_as(tmp_path):
    photo, path = _scene_photo(), tmp_path / "behind.png"
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 40, (8, 8, 4)).astype(np.uint8))
    picture.save(path)
    cutout = render(photo, Half(), Recipe())
    expected = cutout.on(str(path), photo).pixels
    for behind in (path, path.read_bytes(), picture, np.asarray(picture), path.open("rb")):
        np.testing.assert_array_equal(cutout.on(behind, photo).pixels, expected)
    np.testing.assert_array_equal(cutout.on(path, photo.rgb).pixels, expected)
    np.testing.assert_array_equal(cutout.on(path, Image.fromarray(photo.rgb)).pixels, expected)
    grey = np.full((8, 8), 7, np.uint8)
    assert (cutout.on(grey).pixels[:, 4:] == 7).all()


@pytest.mark.parametrize(
    "behind, photo, error, words",
    [
        ((255, 0), None, TypeError, "expected a text such as white, .*, got tuple"),
        (None, 7, TypeError, "array, got int"),
        (np.zeros((8, 8, 3)), None, ValueError, "got float64"),
        (np.zeros((0, 8, 3), np.uint8), None, ValueError, r"got uint8 \[0, 8, 3\]"),
        ("red", np.zeros((8, 8, 2), np.uint8), ValueError, r"got uint8 \[8, 8, 2\]"),
        (b"text", None, InputError, "bytes: is text"),
    ],
)
def test_what_is_no_background_or_photo_is_refused(behind, photo, error, words):
    with pytest.raises(error, match=words):
        render(_scene_photo(), Half(), Recipe()).on(behind, photo)


def test_composites_are_saved_as_pngs_with_the_photos_profile(tmp_path):
    photo = Photo(
        _scene_photo().rgb, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    )
    render(photo, Half(), Recipe(scene=scene_of("red"))).save(tmp_path / "made.png")
    with Image.open(tmp_path / "made.png") as made:
        assert made.mode == "RGBA" and made.info["icc_profile"] == photo.icc
        assert np.abs(np.asarray(made)[0, 7].astype(int) - (255, 0, 0, 255)).max() <= 2


def test_scenes_that_differ_have_fingerprints_that_differ():
    pictures = [np.full((9, 9, 3), value, np.uint8) for value in (1, 2)]
    scenes = [
        None,
        scene_of("red"),
        scene_of("blue"),
        scene_of("red", shadow="drop"),
        *map(scene_of, pictures),
    ]
    recipes = [Recipe(scene=scene) for scene in scenes]
    recipes += [Recipe(scene=scenes[-1], scene_icc=icc) for icc in (b"P3", b"AdobeRGB")]
    assert len({recipe.fingerprint() for recipe in recipes}) == len(recipes)
    assert (
        Recipe(scene=scene_of("f00")).fingerprint() == Recipe(scene=scene_of("red")).fingerprint()
    )


def test_a_composite_tells_of_its_people_and_is_trimmed_to_them():
    made = render(_scene_photo(), Half(), Recipe(scene=scene_of("red")))
    assert made.box == Box(0, 8, 0, 4) and made.coverage == 0.5 and made.rgba.shape == (8, 8, 4)
    trimmed = made.crop(1)
    assert trimmed.pixels.shape == (8, 5, 3) and trimmed.matte.shape == (8, 5)
    assert render(_scene_photo(), Half(), Recipe(scene=scene_of("red"), crop=1)).box == trimmed.box


def test_the_window_of_a_grown_frame_counts_in_the_photo():
    photo, alpha = Photo(np.full((300, 400, 3), 90, np.uint8)), np.zeros((300, 400), np.float32)
    alpha[40:260, 150:250] = 1
    scene = scene_of(shadow="cast:azimuth=270,elevation=20")
    made = finish(photo, alpha, Recipe(scene=scene))
    assert made.pixels.shape[1] > 400
    trimmed = made.crop(0)
    assert trimmed.trim.size == (300, 400)
    top, left = trimmed.trim.box.top, trimmed.trim.box.left
    assert (trimmed.box.top + top, trimmed.box.left + left) == (40, 150)


def test_people_who_are_on_something_are_put_on_nothing_else():
    made = render(_scene_photo(), Half(), Recipe(scene=scene_of("red")))
    for call in (lambda: made.on("white"), lambda: made.id_photo("1inch")):
        with pytest.raises(TypeError, match="of their cutout"):
            call()


def test_a_wish_for_light_needs_the_photo():
    cut = Cutout(np.full((8, 8, 4), 90, np.uint8))
    picture = np.full((8, 8, 3), 250, np.uint8)
    with pytest.raises(ValueError, match="light needs the photo"):
        cut.on(picture, light=1.0)
    assert (cut.on(picture).pixels == cut.on(picture, light="off").pixels).all()


def test_what_is_put_on_something_keeps_its_resolution():
    cut = Cutout(np.full((8, 8, 4), 90, np.uint8), dpi=300)
    assert cut.on("white").dpi == 300


def test_id_photos_of_a_cutout(tmp_path):
    """With the resolution in the file; of a photo that breaks a rule only where one says so."""
    rgb = np.asarray(Image.open(PORTRAITS[1]).convert("RGB"))
    matte = np.asarray(Image.open(ROOT / "tests" / "mattes" / "2.png"))
    cut = Cutout(np.dstack([rgb, matte]))
    made = cut.id_photo("1inch", "white..#628bce")
    assert made.pixels.shape == (413, 295, 3) and made.people.shape == (413, 295)
    assert made.pixels[0, 0].min() > 250 and made.head.neck
    made.save(tmp_path / "id.jpg", kilobytes=(20, 40))
    assert 20_480 <= (tmp_path / "id.jpg").stat().st_size <= 40_000
    assert Image.open(tmp_path / "id.jpg").info["dpi"] == (300, 300)
    framed = made.crop(0)
    assert framed.head.crown == made.head.crown - framed.trim.box.top
    assert framed.head.left == made.head.left - framed.trim.box.left
    with pytest.raises(ValueError, match="paper is not transparent"):
        cut.id_photo("1inch", "transparent", paper="6inch")
    sheet = cut.id_photo("1inch", paper="6inch")
    assert sheet.head is None, "ten heads, of which none is the one"
    assert sheet.pixels.shape == (1200, 1800, 3)
    assert sheet.coverage == pytest.approx(10 * 413 * 295 * made.coverage / 1200 / 1800, rel=0.01)
    with pytest.raises(InputError, match="cuts the head off"):
        Cutout(cut.pixels[60:]).id_photo("1inch")
    assert Cutout(cut.pixels[60:]).id_photo("1inch", lenient=True).pixels.shape == (413, 295, 3)
    with pytest.raises(ValueError, match="a colour or a gradient"):
        cut.id_photo("1inch", "blur")
