"""What the networks are trained towards: which photos, which alphas, and where nothing is known."""

from __future__ import annotations

import json
import sys

import cv2
import numpy as np
import pytest

if sys.version_info < (3, 10):
    pytest.skip("training/ is for Python 3.10 and newer", allow_module_level=True)

from training import carried, mistakes, split
from training.data import Pack
from training.fuse import GUESS, fuse

GUESSED = pytest.approx(GUESS / 255, abs=0.01)


def disc(centre=(100, 100), radius=60, soft=0.0):
    """A round person: float32 [200, 200], its edge blurred by ``soft`` pixels."""
    alpha = np.zeros((200, 200), np.float32)
    cv2.circle(alpha, centre, radius, 1.0, -1)
    return cv2.GaussianBlur(alpha, (0, 0), soft) if soft else alpha


MASK = disc().astype(np.uint8)
THING = disc((175, 100), 20)  # touches the person's band
FAR_THING = disc((20, 20), 12)  # does not


def test_a_teacher_that_agrees_gives_the_edge_its_softness():
    alpha, weight, doubt = fuse(MASK, {"rvm": disc(soft=2)}, "eg")
    assert 0.05 < alpha[100, 161] < 0.95
    assert doubt < 0.01
    assert weight.min() > 0.99


def test_where_no_teacher_agrees_the_edge_is_a_guess():
    lost = disc(soft=2) * (np.arange(200) > 90)  # the left of the person is missing
    alpha, weight, doubt = fuse(MASK, {"rvm": lost}, "sup")
    assert alpha[100, 60] == 1, "the mask says what is the person"
    assert weight[100, 40] == GUESSED
    assert weight[100, 160] == pytest.approx(1, abs=0.01)
    assert 0.2 < doubt < 0.8


def test_the_second_teacher_helps_where_the_first_fails():
    lost = disc(soft=2) * (np.arange(200) > 90)
    _, weight, doubt = fuse(MASK, {"rvm": lost, "teacher": disc(soft=2)}, "eg")
    assert doubt < 0.02
    assert weight[100, 40] > 0.95


def test_what_is_carried_is_unknown():
    _, weight, _ = fuse(MASK, {"rvm": np.maximum(disc(soft=1), THING)}, "sup")
    assert weight[100, 180] == 0


def test_two_teachers_must_agree_that_something_is_carried():
    mattes = {"rvm": np.maximum(disc(soft=1), THING), "teacher": disc(soft=1)}
    _, weight, _ = fuse(MASK, mattes, "eg")
    assert weight[100, 185] == 1


def test_somebody_apart_from_the_person_is_background():
    alpha, weight, _ = fuse(MASK, {"rvm": np.maximum(disc(soft=1), FAR_THING)}, "sup")
    assert alpha[20, 20] == 0
    assert weight[20, 20] == 1


def test_a_part_that_both_teachers_deny_is_unknown_and_one_alone_is_not_believed():
    label = np.maximum(MASK, THING.astype(np.uint8))
    mattes = {"rvm": disc(soft=1), "teacher": disc(soft=1)}
    assert fuse(label, mattes, "eg")[1][100, 178] == 0
    assert fuse(label, {"rvm": disc(soft=1)}, "sup")[1][100, 178] > 0


RADIUS = 5


@pytest.mark.parametrize(
    ("salient", "held"),
    [
        (np.maximum(disc(soft=1), THING), True),
        (disc(soft=1), False),  # the other witness sees nothing there
    ],
)
def test_two_witnesses_tell_what_is_carried(salient, held):
    own = np.maximum(disc(soft=1), THING)
    spots = carried.carried(MASK, own, salient, RADIUS)
    assert spots[100, 185] == held
    assert not spots[MASK > 0].any()


def test_neither_what_lies_apart_nor_somebody_beside_is_carried():
    beside = disc((180, 100), 60)
    for other in FAR_THING, beside:
        seen = np.maximum(disc(soft=1), other)
        person = disc(radius=30).astype(np.uint8) if other is beside else MASK
        assert not carried.carried(person, seen, seen, RADIUS).any()


def test_what_is_carried_becomes_a_part_of_the_person():
    own = np.maximum(disc(soft=1), THING)
    spots = carried.carried(MASK, own, own, RADIUS)
    alpha, weight, near = carried.include(MASK * 255, MASK * 0 + 255, own, spots, RADIUS)
    assert alpha[100, 150:190].min() > 200, "no seam between person and thing"
    assert weight[100, 185] == 255
    assert weight[100, 198] < 100, "its far edge is a guess"
    assert alpha[100, 20] == 0
    assert weight[100, 20] == 255
    assert not near[100, 20]


def test_things_are_cut_out_whole():
    rgb = np.full((200, 200, 3), (250, 10, 10), np.uint8)
    spots = np.zeros((200, 200), bool)
    spots[20:70, 30:90] = True  # a box
    spots[100:104, 20:180] = True  # a strip: the rim of something
    (thing,) = carried.things(rgb, spots, float(MASK.sum()))
    assert thing.shape == (50, 60, 4)
    assert tuple(thing[25, 30]) == (250, 10, 10, 255)
    assert thing[0, 0, 3] < 255, "soft at its edge"


@pytest.mark.parametrize(
    ("centre", "other", "texture", "found"),
    [
        ((20, 20), 0, 60, True),
        ((20, 20), 0.5, 60, False),  # the other network holds it, too: somebody without a label
        ((20, 20), 0, 5, False),  # as plain as a shirt
        ((100, 100), 0, 60, False),  # on the person
    ],
)
def test_mistakes_are_what_one_network_alone_takes_for_people(centre, other, texture, found):
    dog = disc(centre, 15)
    own, seen = np.maximum(disc(radius=40), dog), dog * np.float32(other)
    grey = 120 + texture * np.random.default_rng(1).standard_normal((200, 200, 1))
    rgb = grey.clip(0, 255).astype(np.uint8).repeat(3, 2)
    spots = mistakes.mistaken(own, disc(radius=40) > 0, seen, rgb)
    assert spots[centre[1], centre[0]] == found
    assert not spots[100, 100]


@pytest.fixture
def album(tmp_path):
    """Writes a photo, or the same again in another encoding, under a name."""

    def add(name, seed, quality=95):
        noise = np.random.default_rng(seed).uniform(0, 255, (12, 12, 3)).astype(np.float32)
        photo = cv2.resize(noise, (320, 320), interpolation=cv2.INTER_CUBIC).clip(0, 255)
        path = tmp_path / (name + ".jpg")
        cv2.imwrite(str(path), photo, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return path

    return add


def test_one_picture_under_two_names_is_never_on_both_sides(album):
    names = ["eg-%03d" % number for number in range(200)]
    inside = [name for name in names if split.is_validation(name)]
    outside = [name for name in names if not split.is_validation(name)]
    photos = [
        album(inside[0], 0), album(outside[0], 0, 60),  # the same picture: trained on
        album(inside[1], 1), album(inside[2], 1, 60),  # the same picture: held out
        album(inside[3], 2), album(outside[1], 3),
    ]  # fmt: skip
    assert split.held_out(photos) == {inside[1], inside[2], inside[3]}


def test_photos_that_the_network_gets_wrong_are_drawn_more_often(tmp_path):
    errors = {"sup-a": 0.1, "sup-b": 0.1, "sup-c": 0.3, "sup-d": 0.01, "eg-a": 0.02}
    records = [{"name": name, "kind": name.split("-")[0], "softness": 0} for name in errors]
    (tmp_path / "index.json").write_text(json.dumps(records))
    (tmp_path / "pixels.bin").touch()
    evenly = Pack(tmp_path).chances(range(5))
    (tmp_path / "hard.json").write_text(json.dumps(errors))
    chances = Pack(tmp_path).chances(range(5))

    assert chances[2] == pytest.approx(3 * chances[0])
    assert chances[3] == pytest.approx(0.5 * chances[0])
    assert chances[4] == pytest.approx(evenly[4])  # its set is drawn as often as before
