"""Steady mattes: a single wrong frame does not show, motion and cuts do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from bshm import Matting
from bshm.matting import Look
from bshm.video import frames, mattes
from bshm.video.steady import steadied
from tests.helpers import sample
from tests.video import films

SIZE = 192, 320
TEXTURE = cv2.GaussianBlur(
    np.random.default_rng(5).integers(0, 256, (300, 700, 3)).astype(np.uint8), (0, 0), 2
)


def scene(number, step, texture=TEXTURE, radius=50):
    """A picture in which a disc of another texture moves, and the disc's alpha."""
    alpha = np.zeros(SIZE, np.float32)
    cv2.circle(alpha, (100 + step * number, 90), radius, 1.0, -1, cv2.LINE_AA)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 1)
    behind = texture[: SIZE[0], : SIZE[1]].astype(np.float32)
    disc = 255 - np.roll(texture, step * number, axis=1)[100 : 100 + SIZE[0], : SIZE[1]]
    return (alpha[..., None] * disc + (1 - alpha[..., None]) * behind).astype(np.uint8), alpha


def alphas_of(looks, **how):
    done = list(steadied(enumerate(looks), **how))
    assert [one.tag for one in done] == list(range(len(looks)))
    return [one.look.alpha for one in done]


def test_what_fits_already_stays():
    looks = [Look(alpha, seen) for seen, alpha in (scene(n, 0) for n in range(4))]
    for alpha, look in zip(alphas_of(looks), looks):
        assert np.abs(alpha - look.alpha).max() < 0.01


@pytest.mark.parametrize("step", [0, 4])
def test_a_single_wrong_frame_does_not_show(step):
    scenes = [scene(number, step) for number in range(9)]
    looks = [Look(alpha.copy(), seen) for seen, alpha in scenes]
    looks[4].alpha[70:110, 100 + 4 * step : 130 + 4 * step] = 0  # a hole
    looks[4].alpha[10:40, 250:300] = 1  # somebody who is not there
    alphas = alphas_of(looks)
    for alpha, (_, true) in zip(alphas, scenes):
        assert np.abs(alpha - true).mean() < 0.004
    wrong = np.abs(looks[4].alpha - scenes[4][1]).mean()
    assert np.abs(alphas[4] - scenes[4][1]).mean() < 0.15 * wrong


def test_wavering_is_halved_and_nothing_smears():
    chance = np.random.default_rng(2)
    scenes = [scene(number, 3) for number in range(12)]
    looks = []
    for seen, true in scenes:
        doubt = cv2.resize(chance.normal(size=(6, 10)).astype(np.float32), SIZE[::-1])
        looks.append(Look(np.clip(true + 0.2 * doubt * (true > 0.02), 0, 1), seen))
    alphas = alphas_of(looks)

    def wavers(mattes):
        pairs = zip(mattes, mattes[1:], scenes, scenes[1:])
        return np.mean([np.abs(b - a - (y[1] - x[1])).mean() for a, b, x, y in pairs])

    assert wavers(alphas) < 0.55 * wavers([look.alpha for look in looks])
    behind = scenes[8][1] < 0.001  # where the disc was before, too
    assert alphas[8][behind].mean() < 0.004


def test_what_was_seen_for_long_outweighs_a_change_of_mind_that_does_not_last():
    seen, alpha = scene(0, 0)
    mistaken = alpha.copy()
    mistaken[10:40, 250:300] = 1
    short = alphas_of(
        [Look(alpha, seen)] * 10 + [Look(mistaken, seen)] * 2 + [Look(alpha, seen)] * 2
    )
    assert max(one[12:38, 252:298].max() for one in short) < 0.35
    lasting = alphas_of([Look(alpha, seen)] * 10 + [Look(mistaken, seen)] * 16)
    assert lasting[-1][12:38, 252:298].min() > 0.8


def test_traces_go_soon_where_the_network_is_sure():
    seen, alpha = scene(0, 0)
    traced = alpha.copy()
    traced[10:40, 250:300] = 0.3
    alphas = alphas_of([Look(traced, seen)] * 12 + [Look(alpha, seen)] * 8)
    assert alphas[10][20:30, 260:290].min() > 0.29
    assert alphas[-1][10:40, 250:300].max() < 0.01


class Searcher:
    """Looks for people once more, and remembers where; finds what it is told of a frame."""

    def __init__(self, find):
        self.find, self.frames = find, []

    def __call__(self, number, look, people):
        self.frames.append(number)
        window = cv2.dilate(people, np.ones((61, 61), np.uint8))
        return Look(np.maximum(look.alpha, window * self.find(number)), look.seen)


def walk(count, missed, step=3, radius=25):
    """Scenes with a small person who walks, and looks that miss them in some frames."""
    scenes = [scene(number, step, radius=radius) for number in range(count)]
    looks = [
        Look(alpha * np.float32(number not in missed), seen)
        for number, (seen, alpha) in enumerate(scenes)
    ]
    return looks, [alpha for _, alpha in scenes]


def test_people_who_are_missed_for_many_frames_are_found_where_they_were():
    missed = range(6, 18)
    looks, true = walk(20, missed)
    search = Searcher(lambda number: true[number])
    for alpha, expected in zip(alphas_of(looks, look_for=search), true):
        assert np.abs(alpha - expected).mean() < 0.006
    assert search.frames == list(missed)
    assert alphas_of(looks)[16][true[16] > 0.9].mean() < 0.3  # so they would be lost


def test_nobody_is_looked_for_while_everybody_is_seen():
    looks, _ = walk(12, [])
    looks[5].alpha[60:90] = 0  # a part of them is no reason
    search = Searcher(lambda number: 1)
    assert len(alphas_of(looks, look_for=search)) == 12 and search.frames == []


@pytest.mark.parametrize("found", [0, 1])
def test_people_who_are_not_found_go_sooner(found):
    """Nor are they found where all that is looked at seems to be people."""
    looks, true = walk(16, range(8, 16), step=0)
    search = Searcher(lambda number: found)
    alphas = alphas_of(looks, look_for=search)
    assert max(alpha.max() for alpha in alphas[11:]) < 0.1
    assert search.frames == [8]
    assert alphas_of(looks)[11][true[11] > 0.9].mean() > 0.5


@pytest.mark.parametrize("finds", ["nobody", "scenery"])
def test_people_who_walk_behind_something_are_gone(finds):
    looks, true = walk(34, [], step=5)
    pillar = np.flipud(TEXTURE)[: SIZE[0], : SIZE[1]] // 2
    hidden = []
    for look, alpha in zip(looks, true):
        look.seen[:, 170:] = pillar[: SIZE[0], 170:]
        look.alpha[:, 170:] = 0
        hidden.append(alpha[:, :170].sum() == 0)
    search = Searcher(lambda number: finds == "scenery")
    alphas = alphas_of(looks, look_for=search)
    assert sum(hidden) > 10
    for alpha, look in zip(alphas, looks):
        assert np.abs(alpha - look.alpha).mean() < 0.01
    assert max(alpha.max() for alpha in alphas[-6:]) < 0.05


def test_people_who_walk_out_of_the_frame_are_gone():
    looks, _ = walk(40, [], step=8)
    assert looks[33].alpha.max() < 0.01
    alphas = alphas_of(looks, look_for=Searcher(lambda number: 1))
    for alpha, look in zip(alphas, looks):
        assert np.abs(alpha - look.alpha).mean() < 0.01
    assert max(alpha.max() for alpha in alphas[-4:]) < 0.05


def test_a_spot_beside_people_that_goes_is_not_looked_for():
    looks, _ = walk(12, [], step=0, radius=50)
    for look in looks[:7]:
        look.alpha[20:30, 280:300] = 1  # scenery, taken for somebody
    search = Searcher(lambda number: 1)
    alphas = alphas_of(looks, look_for=search)
    assert search.frames == []
    assert alphas[-1][20:30, 280:300].max() < alphas[6][20:30, 280:300].min()


def test_a_spot_in_the_first_frame_of_a_scene_is_not_looked_for():
    looks, _ = walk(10, range(1, 10), step=0)
    search = Searcher(lambda number: 1)
    alphas_of(looks, look_for=search)
    assert search.frames == []


def test_motion_is_sought_in_no_larger_pictures_than_the_film_has():
    small = sample("1.png", 160, 96)
    with ThreadPoolExecutor(1) as pool, Matting(weights="bshm-lite") as matting:
        for one in mattes.looks(pool, matting, [(None, small)] * 3, mattes.SPEEDS["fast"]):
            assert max(one.look.alpha.shape) > 700
            assert max(one.state.grey.shape) == max(small.shape)


def test_a_cut_begins_anew():
    other = np.ascontiguousarray(TEXTURE[::-1, ::-1])
    looks = [Look(alpha, seen) for seen, alpha in (scene(n, 0) for n in range(4))]
    for number in range(3):
        seen, _ = scene(number, 0, other)
        looks.append(Look(np.zeros(SIZE, np.float32), cv2.flip(seen, 0) // 2))
    alphas = alphas_of(looks)
    assert np.abs(alphas[3] - looks[3].alpha).max() < 0.01
    assert alphas[4].max() < 0.01


def test_going_on_from_a_state_is_the_same_as_never_having_stopped():
    looks = [Look(alpha, seen) for seen, alpha in (scene(n, 4) for n in range(8))]
    for look in looks[::3]:
        look.alpha[60:100] *= 0.5
    whole = list(steadied(enumerate(looks)))
    rest = list(steadied(enumerate(looks[5:], 5), before=whole[4].state))
    assert all(np.array_equal(a.look.alpha, b.look.alpha) for a, b in zip(whole[5:], rest))


@pytest.mark.parametrize("after", [6, 8, 11])
def test_going_on_in_the_midst_of_a_search_is_the_same_too(after):
    looks, true = walk(14, range(5, 12))
    search = Searcher(lambda number: true[number])
    whole = list(steadied(enumerate(looks), look_for=search))
    before = whole[after - 1].state
    rest = list(steadied(enumerate(looks[after:], after), before=before, look_for=search))
    assert len(rest) == 14 - after and 8 in search.frames
    assert all(np.array_equal(a.look.alpha, b.look.alpha) for a, b in zip(whole[after:], rest))


def test_frames_of_any_loop_come_in_order_and_few_at_a_time():
    taken = []

    def camera():
        for number in range(40):
            taken.append(number)
            yield films.picture(number)

    for number, (rgb, alpha) in enumerate(frames(films.Keyed(), camera(), speed="best")):
        assert np.array_equal(rgb, films.picture(number))
        assert np.abs(alpha - (rgb[..., 0] > 200)).mean() < 0.02
        assert len(taken) - number < 10
    assert number == 39


def test_frames_of_no_film_are_none():
    assert list(frames(films.Keyed(), [])) == []


def test_a_speed_that_is_none_is_named():
    with pytest.raises(ValueError, match="fast or best, got 'quick'"):
        next(frames(films.Keyed(), [], speed="quick"))


def test_frames_one_by_one_are_the_mattes_of_photos():
    pictures = [sample("1.png", 200, 160), sample("2.png", 200, 160)]
    with Matting(weights="bshm-lite") as matting:
        for (_, alpha), picture in zip(frames(matting, pictures, steady=False), pictures):
            assert np.array_equal(alpha, matting.alpha(picture))


class Counting(films.Keyed):
    """Counts the frames that it looks at."""

    def __init__(self):
        self.looked = 0

    def first_look(self, rgb):
        self.looked += 1
        return super().first_look(rgb)


def moving(number):
    """A textured red square that moves over a texture, and where it is."""
    rgb = TEXTURE[:96, :128] // 3
    square = np.zeros((96, 128), bool)
    square[24:72, 20 + number : 68 + number] = True
    red = np.roll(TEXTURE[100:196, 100:228], number, axis=1)
    return np.where(square[..., None], red * (0.2, 0, 0) + (200, 20, 20), rgb).astype(
        np.uint8
    ), square


def smaller(number):
    """The same with a smaller square."""
    rgb, square = moving(number)
    square[:40] = square[60:] = False
    return np.where(square[..., None], rgb, TEXTURE[:96, :128] // 3).astype(np.uint8), square


def test_fast_looks_at_every_second_frame_and_those_between_follow():
    matting = Counting()
    pictures = [moving(number) for number in range(21)]
    mattes = list(frames(matting, (rgb for rgb, _ in pictures), speed="fast"))
    assert matting.looked == 11
    for (rgb, alpha), (picture, square) in zip(mattes, pictures):
        assert np.array_equal(rgb, picture)
        assert np.abs(alpha - square).mean() < 0.02


class Distracted(films.Keyed):
    """Misses everybody in its first looks at some frames, but nobody whom others know of."""

    def __init__(self, missed):
        self.missed, self.searched = missed, 0

    def first_look(self, rgb):
        look = super().first_look(rgb)
        missed = any(rgb is frame for frame in self.missed)
        return look._replace(alpha=look.alpha * np.float32(not missed))

    def closer_look(self, look, rgb, people=None):
        if people is None:
            return look
        self.searched += 1
        return super().first_look(rgb)


@pytest.mark.parametrize(("speed", "missed"), [("best", slice(5, 12)), ("fast", slice(10, 24, 2))])
def test_people_whom_the_first_look_misses_stay(speed, missed):
    pictures = [smaller(number) for number in range(31)]
    matting = Distracted([rgb for rgb, _ in pictures[missed]])
    for (_, alpha), (_, square) in zip(
        frames(matting, [rgb for rgb, _ in pictures], speed=speed), pictures
    ):
        assert alpha[square].mean() > 0.6 and alpha[~square].mean() < 0.001
    assert matting.searched == 7


def test_where_nothing_moves_the_network_looks_less_often():
    noise = np.random.default_rng(3)
    rgb, square = moving(0)
    still = [np.clip(rgb + noise.normal(0, 3, rgb.shape), 0, 255).astype(np.uint8)] * 16
    matting = Counting()
    for _, alpha in frames(matting, still, speed="best"):
        assert np.abs(alpha - square).mean() < 0.02
    assert matting.looked == 4


def test_a_frame_that_is_only_glanced_at_is_looked_at_where_it_resembles_no_other():
    pictures = [np.ascontiguousarray(np.rot90(TEXTURE // 3, n)[:96, :128]) for n in (0, 1, 2)]
    pictures[1][30:60, 30:60] = (230, 20, 20)
    matting = Counting()
    alphas = [alpha for _, alpha in frames(matting, pictures, speed="fast")]
    assert matting.looked == 3
    assert alphas[1][35:55, 35:55].min() > 0.9 and alphas[0].max() < 0.1


def test_what_goes_wrong_in_a_frame_is_raised_to_the_loop():
    wrong = [np.zeros((8, 8), np.uint8)]
    with Matting(weights="bshm-lite") as matting, pytest.raises(ValueError, match="an RGB photo"):
        list(frames(matting, wrong))
