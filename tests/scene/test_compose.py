"""A person on something new, from the wish to the pixels."""

import cv2
import numpy as np
import pytest

from bshm.scene import background, compose, light, shadow, tones
from bshm.scene.compose import Scene, Setting
from bshm.scene.light import Light
from bshm.scene.place import Place
from bshm.scene.shadow import Shadow, Wish


def _person(height=300, width=400, seed=0):
    """A photo, its matte and the person's colours: somebody who stands, with soft edges."""
    random = np.random.default_rng(seed)
    behind = cv2.resize(random.integers(30, 226, (12, 16, 3)).astype(np.uint8), (width, height))
    own = cv2.resize(random.integers(60, 200, (6, 8, 3)).astype(np.uint8), (width, height))
    alpha = np.zeros((height, width), np.float32)
    alpha[height // 6 : height * 5 // 6, width * 2 // 5 : width * 3 // 5] = 1
    alpha = cv2.GaussianBlur(alpha, (0, 0), 2)
    alpha[alpha < 0.01] = 0
    alpha[alpha > 0.99] = 1
    mixed = alpha[..., None] * own + (1 - alpha[..., None]) * behind
    return (mixed + 0.5).astype(np.uint8), alpha, own, behind


def _compose(behind, **wishes):
    rgb, alpha, own, _ = _person()
    return compose.compose(Scene(behind, **wishes), rgb, alpha, own)


def test_a_person_put_back_on_the_own_background_gives_the_photo_back():
    rgb, alpha, own, behind = _person()
    for strength in (0.0, 1.0):
        scene = Scene(background.Picture(behind), light=strength)
        found = compose.compose(scene, rgb, alpha, own).pixels
        # The person's own edges are outside the probe, so the light differs a little.
        assert np.abs(found.astype(int) - rgb).max() <= (12 if strength else 1)
        assert np.abs(found.astype(int) - rgb).mean() <= 1.5


def test_a_colour_is_what_it_was_asked_to_be_and_lights_nobody():
    _rgb, alpha, own, _ = _person()
    found = _compose(background.parse("#12ff34")).pixels
    assert (found[alpha == 0] == (0x12, 0xFF, 0x34)).all()
    assert (found[alpha == 1] == own[alpha == 1]).all()


def test_clear_colours_leave_a_picture_with_alpha():
    _rgb, alpha, own, _ = _person()
    found = _compose(background.parse("rgb(255 0 0 / 50%)")).pixels
    assert found.shape[2] == 4
    assert (found[alpha == 0] == (255, 0, 0, 128)).all()
    assert (
        found[alpha == 1] == np.dstack([own, np.full_like(own[..., :1], 255)])[alpha == 1]
    ).all()
    # Over white it is what mixing everything at once gives.
    level = found[..., 3:] / 255
    over_white = found[..., :3] * level + 255 * (1 - level)
    half = np.float64([255, 0, 0]) * (128 / 255) + 255 * (127 / 255)
    wanted = alpha[..., None] * own + (1 - alpha[..., None]) * half
    assert np.abs(over_white - wanted).max() < 1.6


def test_texts_of_a_scene_are_texts_in_any_case():
    assert compose.scene_of("white", fit="Contain", shadow="Drop") == compose.scene_of(
        "white", fit="contain", shadow="drop"
    )
    for name, wrong in (("position", (0.5, 1)), ("shadow", None), ("fit", 1)):
        with pytest.raises(TypeError, match="%s: expected a text, got " % name):
            compose.scene_of("white", **{name: wrong})


@pytest.mark.parametrize("shape", [(100, 400), (300, 130)])
def test_what_a_background_leaves_open_sheds_no_light(shape):
    """A bright picture lights people up, whether it fills the frame or only a part of it."""
    rgb, alpha, _own, _ = _person()
    bright = cv2.resize(np.full((9, 9, 3), (250, 240, 225), np.uint8), shape[::-1])
    bright[::7] = 180
    fits = {fit: Scene(background.Picture(bright), fit=fit) for fit in ("stretch", "contain")}
    painted = {fit: compose.paint(scene, rgb, alpha) for fit, scene in fits.items()}
    assert painted["contain"].alpha.min() == 0
    full, part = (
        compose.estimate(scene, rgb, alpha, painted[fit]).light for fit, scene in fits.items()
    )
    assert full.exposure > 0.2 and part.exposure == pytest.approx(full.exposure, abs=0.05)


def test_a_background_of_next_to_nothing_sheds_no_light():
    rgb, alpha, _own, behind = _person()
    cover = np.zeros(alpha.shape, np.uint8)
    cover[:9, :9] = 255
    scene = Scene(background.Picture(behind, cover), light=1.0)
    assert compose.estimate(scene, rgb, alpha, compose.paint(scene, rgb, alpha)).light == Light()


def test_on_nothing_the_shadow_is_in_the_alpha_and_the_frame_grows_for_it():
    _rgb, alpha, own, _ = _person()
    low = _compose(None, shadow=Wish("cast", azimuth=270.0, elevation=20.0))
    left, top, right, bottom = low.grown
    assert right > 20 and (left, top) == (0, 0)
    assert low.pixels.shape == (300 + bottom, 400 + right, 4)
    back = low.pixels[:300, :400]
    assert (back[..., :3][alpha == 1] == own[alpha == 1]).all()
    assert (back[..., 3] >= np.uint8(alpha * 255)).all()
    falls = low.pixels[240:300, 280:]
    assert falls[..., 3].max() > 20 and falls[..., :3].max() == 0
    none = _compose(None)
    assert none.grown == (0, 0, 0, 0) and (none.pixels[..., 3][alpha == 0] == 0).all()


def test_a_shadow_is_as_deep_in_the_alpha_as_on_a_colour():
    wish = Wish("contact", opacity=1.0)
    clear, white = (
        _compose(None, shadow=wish).pixels,
        _compose(background.parse("white"), shadow=wish).pixels,
    )
    over_white = clear[:300, :400, :3] * (clear[:300, :400, 3:] / 255) + 255 - clear[:300, :400, 3:]
    assert np.abs(over_white - white).max() <= 3


def test_shadows_fall_on_the_background_and_not_on_the_person():
    _rgb, alpha, _own, behind = _person()
    wish = Wish("cast", azimuth=200.0)
    with_shadow = _compose(background.Picture(behind), shadow=wish, light=0.0).pixels
    without = _compose(background.Picture(behind), light=0.0).pixels
    assert (with_shadow[alpha == 1] == without[alpha == 1]).all()
    assert (with_shadow <= without).all() and (with_shadow < without - 10.0).any()


def test_gains_of_coded_values_are_near_those_of_light():
    """The shortcut of `tones`: at most four of 255 off, of shadows that take half of the light."""
    coded = np.arange(256) / 255
    for gain in (0.5, 0.7, 0.9):
        exact = tones.encode(tones.decode(coded) * np.float32(gain)) * 255
        assert np.abs(coded * 255 * gain ** (1 / tones.GAMMA) - exact).max() < 4


def test_light_spills_over_from_brighter_backgrounds_only_and_only_at_edges():
    rgb, alpha, own, _ = _person()
    for value, brighter in ((255, True), (0, False)):
        with_wrap, without = (
            compose.apply(
                Setting(Place(), Light(wrap=share), Shadow()),
                alpha,
                own,
                background.Picture(np.full_like(rgb, value)),
            ).pixels.astype(int)
            for share in (light.WRAP, 0.0)
        )
        more = with_wrap - without
        assert more.min() >= -1
        edge, middle = (alpha > 0.7) & (alpha < 0.98), cv2.erode(alpha, np.ones((51, 51))) == 1
        assert (more[edge].mean() > 3) == brighter
        assert np.abs(more[middle]).max() <= 1


def test_the_brighter_side_of_the_scene_lights_that_side_of_the_person():
    rgb, alpha, _own, _behind = _person()
    ramp = np.linspace(30, 230, 400).astype(np.uint8)
    bright_right = np.repeat(np.repeat(ramp[None, :, None], 300, 0), 3, 2)
    scene = Scene(background.Picture(bright_right), light=1.0)
    setting = compose.estimate(scene, rgb, alpha, compose.paint(scene, rgb, alpha))
    assert 0.05 < setting.light.right <= light.ACROSS[1] and abs(setting.light.top) < 0.05


def test_blur_keeps_the_person_and_asks_for_no_other_light():
    _rgb, alpha, own, _ = _person()
    found = _compose(background.parse("blur:0.5")).pixels
    assert (found[alpha == 1] == own[alpha == 1]).all()


def test_placed_people_and_their_shadows_go_together():
    rgb, alpha, own, _ = _person()
    scene = Scene(
        background.parse("white"), position=(0.0, None), scale=0.5, shadow=Wish("contact")
    )
    found = compose.compose(scene, rgb, alpha, own).pixels
    assert (found[:, 100:] == 255).all()  # 80 columns wide before
    assert found[:, :45].min() < 200
    feet = int(np.flatnonzero((found[:, 20] < 250).any(axis=1))[-1])
    assert 248 <= feet < 262  # the shadow is just under the feet, in row 250


@pytest.mark.parametrize("scale", [0.3, 0.75, 1.5])
def test_somebody_in_white_who_is_scaled_gets_no_dark_rim(scale):
    """Colours are 0 where nobody is: nothing of that may be mixed into the edge."""
    alpha = np.zeros((200, 200), np.float32)
    cv2.circle(alpha, (100, 100), 60, 1.0, -1, cv2.LINE_AA)
    colours = np.where(alpha[..., None] > 0, 255, 0).astype(np.uint8).repeat(3, 2)
    scene = Scene(background.parse("white"), scale=scale)
    pixels = compose.compose(scene, np.full_like(colours, 90), alpha, colours).pixels
    assert pixels.min() >= 254


def test_a_setting_estimated_once_may_be_applied_to_other_frames():
    rgb, alpha, own, behind = _person()
    scene = Scene(background.Picture(behind[:, ::-1].copy()), shadow=Wish())
    setting = compose.estimate(scene, rgb, alpha, compose.paint(scene, rgb, alpha))
    again = compose.apply(setting, alpha, own, compose.paint(scene, rgb, alpha)).pixels
    assert (again == compose.compose(scene, rgb, alpha, own).pixels).all()
    between = compose.ease(setting, setting._replace(light=Light()), 0.5)
    assert between.light.exposure == pytest.approx(setting.light.exposure / 2)
    assert between.shadow == setting.shadow


def test_pictures_larger_than_a_tile_have_no_seams():
    alpha = np.zeros((700, 900), np.float32)
    cv2.circle(alpha, (450, 350), 250, 1.0, -1, cv2.LINE_AA)
    grey, behind = np.full((700, 900, 3), 128, np.uint8), np.full((700, 900, 3), 180, np.uint8)
    setting = Setting(
        Place(), Light(0.2, right=0.1, top=0.1, wrap=0.3), Shadow(wall=0.4, azimuth=270.0)
    )
    found = compose.apply(setting, alpha, grey, background.Picture(behind)).pixels.astype(int)
    for at in (256, 512):
        for seam, others in (
            (found[at] - found[at - 1], found[at - 1] - found[at - 2]),
            (found[:, at] - found[:, at - 1], found[:, at - 1] - found[:, at - 2]),
        ):
            assert np.abs(seam).mean() <= np.abs(others).mean() + 0.3


def test_named_pictures_are_refused_before_they_are_decoded():
    with pytest.raises(ValueError, match=r"beach\.jpg"):
        _compose(background.parse("beach.jpg"))


def test_shadow_none_and_nobody():
    rgb, alpha, own, behind = _person()
    empty = np.zeros_like(alpha)
    found = compose.compose(Scene(background.Picture(behind), shadow=Wish()), rgb, empty, own)
    assert (found.pixels == behind).all()
    assert shadow.estimate(Wish("none"), alpha, Light(), None) == Shadow()


def test_a_wish_takes_the_texts_of_the_flags():
    numbers = compose.scene_of("white", scale=0.5, light=0.25)
    assert compose.scene_of("white", scale="50%", light="0.25") == numbers
    assert compose.scene_of("white", scale="0.5", light="25%") == numbers
    assert compose.scene_of("white", light="off").light == 0
    assert compose.scene_of("white", light="Auto") == compose.scene_of("white")
    for name, wrong in (("scale", "1%"), ("scale", 9), ("scale", "half"), ("light", "1.5")):
        with pytest.raises(ValueError, match="%s: expected .*a %s from" % (wrong, name)):
            compose.scene_of("white", **{name: wrong})
