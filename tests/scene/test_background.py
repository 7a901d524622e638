"""What a text names, and the pixels of it."""

import numpy as np
import pytest

from bshm.scene import background
from bshm.scene.background import Blur, Flat, Gradient, Named, Picture

RED, CLEAR = (255, 0, 0, 255), (0, 0, 0, 0)


@pytest.mark.parametrize(
    "text, rgba",
    [
        ("red", RED),
        ("Red", RED),
        ("#f00", RED),
        ("f00", RED),
        ("#ff0000", RED),
        ("FF0000", RED),
        ("#ff000080", (255, 0, 0, 128)),
        ("f008", (255, 0, 0, 136)),
        ("rgb(255, 0, 0)", RED),
        ("rgb(255 0 0)", RED),
        ("rgb(100% 0% 0%)", RED),
        ("rgba(255, 0, 0, 0.5)", (255, 0, 0, 128)),
        ("rgb(255 0 0 / 50%)", (255, 0, 0, 128)),
        ("hsl(0, 100%, 50%)", RED),
        ("hsl(120deg 100% 25%)", (0, 128, 0, 255)),
        ("hsla(240, 100%, 50%, .2)", (0, 0, 255, 51)),
        ("rgb(300, -5, 0)", RED),  # CSS cuts off what is out of range
        ("transparent", CLEAR),
        ("cornflowerblue", (100, 149, 237, 255)),
    ],
)
def test_colours_of_css(text, rgba):
    assert background.parse(text) == Flat(rgba)


def test_gradients_blur_and_pictures():
    assert background.parse("red..blue") == Gradient((RED, (0, 0, 255, 255)))
    assert background.parse("radial:red..transparent") == Gradient((RED, CLEAR), radial=True)
    assert len(background.parse("red..#0f0..rgb(0 0 0 / 10%)").colours) == 3
    assert background.parse("blur") == Blur(background.BLUR)
    assert background.parse("blur:0.8") == background.parse("blur:80%") == Blur(0.8)
    for name in ("beach.jpg", "../beach.jpg", "a..b.jpg", "./face", "https://e.org/red..blue.png"):
        assert background.parse(name) == Named(name)


@pytest.mark.parametrize(
    "text, told",
    [
        ("", "expected a colour"),
        ("#12345", "no CSS name"),
        ("rgb(1, 2)", "no CSS name"),
        ("hwb(200 20% 20%)", r"no CSS name, hex, rgb\(\) or hsl\(\)"),
        ("rgb(1, 2, x)", "no CSS name"),
        ("red..blau", "'blau' is no colour"),
        ("radial:red", "radial:A..B"),
        ("radial:x..y", "'x' is no colour"),
        ("blur:2", "from 0 to 1"),
        ("blur:", "from 0 to 1"),
    ],
)
def test_what_is_wrong_is_told(text, told):
    with pytest.raises(ValueError, match=told.replace("..", r"\.\.")):
        background.parse(text)


def test_gradients_run_down_and_outwards():
    down = background.paint(background.parse("black..white"), (101, 7), "cover").rgb
    assert (down[:, 0] == down[:, -1]).all()
    assert down[0].max() <= 2 and int(down[50, 0, 0]) in (127, 128) and down[-1].min() > 252
    round_ = background.paint(background.parse("radial:white..black"), (101, 201), "cover").rgb
    assert round_[50, 100].min() >= 253
    assert round_[0, 0].max() <= 3 and (round_[0, 0] == round_[-1, -1]).all()
    # As far from the middle as half the way to the corners.
    assert 124 <= int(round_[50, 170, 0]) <= 132


def test_gradients_to_transparent_keep_their_colour():
    painted = background.paint(background.parse("red..transparent"), (256, 2), "cover")
    assert painted.alpha[0, 0] > 253 and painted.alpha[-1, 0] < 2
    assert (painted.rgb[:250] == [255, 0, 0]).all()  # no grey of the transparent black


def _marked():
    """A picture whose left third is red and whose right third is blue, twice as wide as high."""
    pixels = np.full((30, 60, 3), 255, np.uint8)
    pixels[:, :20], pixels[:, 40:] = (255, 0, 0), (0, 0, 255)
    return Picture(pixels)


def test_cover_fills_the_frame_from_the_middle():
    painted = background.paint(_marked(), (300, 300), "cover")
    assert painted.rgb.shape == (300, 300, 3) and painted.alpha is None
    assert (painted.rgb[:, 0] == [255, 0, 0]).all() and (painted.rgb[:, -1] == [0, 0, 255]).all()
    assert (painted.rgb[150, 150] == 255).all()
    # A circle stays one: the white third is 20 of 30 rows wide, so two thirds of the height.
    white = (painted.rgb[150].min(axis=1) > 128).sum()
    assert white == pytest.approx(200, abs=4)


def test_contain_shows_all_and_is_transparent_beside():
    painted = background.paint(_marked(), (300, 300), "contain")
    assert (painted.alpha[:74] == 0).all() and (painted.alpha[76:224] == 255).all()
    assert (painted.rgb[150, 2] == [255, 0, 0]).all() and (
        painted.rgb[150, -3] == [0, 0, 255]
    ).all()
    assert background.paint(_marked(), (150, 300), "contain").alpha is None


def test_stretch_bends_and_tile_repeats():
    assert (background.paint(_marked(), (90, 60), "stretch").rgb[:, 30] == 255).all()
    tiled = background.paint(_marked(), (45, 90), "tile").rgb
    assert (tiled[30:, 60:80] == [255, 0, 0]).all() and (tiled[:30, 40:60] == [0, 0, 255]).all()


@pytest.mark.parametrize("fit", ["cover", "contain", "stretch"])
@pytest.mark.parametrize("side", [21, 90])
def test_no_colour_comes_out_of_what_is_transparent(fit, side):
    alpha = np.zeros((60, 60), np.uint8)
    alpha[13:47, 13:47] = 255
    rgb = np.zeros((60, 60, 3), np.uint8)  # black around orange, as many programs write it
    rgb[alpha > 0] = (230, 120, 10)
    painted = background.paint(Picture(rgb, alpha), (side, side), fit)
    soft = (painted.alpha > 25) & (painted.alpha < 230)
    assert soft.any()
    assert np.abs(painted.rgb[soft].astype(int) - (230, 120, 10)).max() <= 10


@pytest.mark.parametrize("fit", background.FITS)
@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 3)])
def test_any_fit_at_any_size(fit, size):
    picture = Picture(_marked().rgb, np.full((30, 60), 9, np.uint8))
    painted = background.paint(picture, size, fit)
    assert painted.rgb.shape == (*size, 3) and painted.alpha.shape == size


def test_a_picture_is_not_changed_by_painting_on_it():
    picture = _marked()
    painted = background.paint(picture, (30, 60), "cover")
    painted.rgb[:] = 0
    assert picture.rgb.max() == 255
