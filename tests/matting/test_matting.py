"""The Python interface: what it promises about arrays, threads, sizes and small people."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from bshm import DeviceError, Matting
from bshm.matting import CELL, MAX_CELLS, AlphaMatting, working_size
from bshm.matting.closer_look import drop_specks, find_small_people
from bshm.model import engine as engines

ROOT = Path(__file__).parents[2]
MATTES = ROOT / "tests" / "mattes"


@pytest.fixture(scope="module")
def matting():
    with Matting(weights="bshm-lite") as matting:
        yield matting


def sample(name):
    return np.asarray(Image.open(ROOT / "image-matting" / name).convert("RGB"))


@pytest.mark.parametrize("name", ["1.png", "2.png"])
def test_sample_mattes_stay_what_they_were(matting, name):
    stored = np.asarray(Image.open(MATTES / name), np.float32) / 255
    alpha = matting.alpha(sample(name))
    mad = np.abs(alpha - stored).mean()
    sad = np.abs(alpha - stored).sum() / 1000
    assert mad < 0.004, "MAD %.4f, SAD %.2f thousand" % (mad, sad)


@pytest.mark.parametrize("name", ["1.png", "2.png"])
def test_sample_cutouts_have_solid_people_and_clean_corners(matting, name):
    rgba = matting.cutout(sample(name)).rgba
    alpha = rgba[..., 3]
    height, width = alpha.shape
    assert (alpha[height // 3 : height // 2, width * 2 // 5 : width // 2] > 250).mean() > 0.99
    assert alpha[: height // 12, -width // 12 :].max() <= 5
    assert not rgba[alpha == 0].any()
    solid = alpha == 255
    assert np.array_equal(rgba[solid][:, :3], sample(name)[solid])


def test_cutout_carries_the_matte(matting):
    rgb = sample("2.png")
    difference = matting.cutout(rgb).rgba[..., 3] / 255 - matting.alpha(rgb)
    assert np.abs(difference).max() <= 0.5 / 255 + 1e-6


def test_many_threads_get_the_same_mattes(matting):
    photos = [sample("1.png"), sample("2.png"), sample("1.png")[:, ::-1].copy()]
    alone = [matting.alpha(photo) for photo in photos]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(matting.alpha, photos * 3))
    for index, alpha in enumerate(together):
        assert np.abs(alpha - alone[index % 3]).max() <= 1 / 255


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_photos_at_once_than_threads(monkeypatch, threads):
    """Each takes memory for itself; beyond the threads, more at once gain nothing."""
    photo = np.zeros((64, 64, 3), np.uint8)
    count, running, most = threading.Lock(), [], []
    together = threading.Barrier(threads)

    with Matting(weights="bshm-lite", threads=threads) as matting:

        def alpha(rgb):
            with count:
                running.append(rgb)
                most.append(len(running))
            together.wait(30)  # passes only when as many as may are inside
            with count:
                running.pop()
            return np.zeros(rgb.shape[:2], np.float32)

        monkeypatch.setattr(matting._engine, "alpha", alpha)
        with ThreadPoolExecutor(3 * threads) as pool:
            list(pool.map(matting.alpha, [photo] * (3 * threads)))
    assert max(most) == threads


def test_no_more_threads_are_started_than_the_machine_has_cpus():
    started = []

    def start(engine, path, device, threads):
        started.append(threads)
        return engines.start(engine, path, device, 1)

    with AlphaMatting(weights="bshm-lite", threads=9999, start=start):
        assert started == [os.cpu_count()] == [cv2.getNumThreads()]


def test_threads_are_those_of_every_library():
    program = (
        "import cv2, bshm\n"
        "matting = bshm.Matting(weights='bshm-lite', threads=1)\n"
        "print(cv2.getNumThreads())"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=str(ROOT), stdout=subprocess.PIPE, check=True, timeout=120)
    assert done.stdout.split() == [b"1"]
    with pytest.raises(ValueError, match="0 for all CPUs, got -1"):
        Matting(threads=-1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (700, 3), (33, 65), (100, 4000)])
def test_any_size_gives_a_matte_of_that_size(matting, shape):
    photo = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    alpha = matting.alpha(photo)
    assert alpha.shape == shape and alpha.dtype == np.float32
    assert alpha.min() >= 0 and alpha.max() <= 1
    assert matting.cutout(photo).rgba.shape == (*shape, 4)


@pytest.mark.parametrize(
    "photo, found",
    [
        (np.zeros((4, 4), np.uint8), "uint8 [4, 4]"),
        (np.zeros((4, 4, 4), np.uint8), "uint8 [4, 4, 4]"),
        (np.zeros((4, 4, 3), np.float32), "float32 [4, 4, 3]"),
        (np.zeros((0, 4, 3), np.uint8), "uint8 [0, 4, 3]"),
        ("photo.jpg", "str"),
    ],
)
def test_other_arrays_are_refused_by_name(matting, photo, found):
    with pytest.raises(ValueError) as caught:
        matting.alpha(photo)
    assert found in str(caught.value)


@pytest.mark.parametrize(
    "shape", [(1080, 1920), (4000, 3000), (640, 480), (512, 512), (1, 1), (1, 9999), (9999, 7)]
)
def test_working_size_is_whole_cells_within_bounds(shape):
    height, width = working_size(*shape)
    assert height % CELL == 0 and width % CELL == 0
    assert 1 <= height * width // CELL**2 <= MAX_CELLS
    if max(shape) < 3 * min(shape):
        squeeze = (width / height) / (shape[1] / shape[0])
        assert 0.85 < squeeze < 1.15
        assert height * width > 0.7 * MAX_CELLS * CELL**2


def test_a_person_small_in_the_frame_gains_from_the_closer_look(matting):
    """The closer look must be nearer than the first to what the person alone gives."""
    person = sample("1.png")
    truth = matting.alpha(person)
    side, scale = 2600, 0.9
    person = cv2.resize(person, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    truth = cv2.resize(truth, person.shape[1::-1], interpolation=cv2.INTER_AREA)
    scene = np.full((side, side, 3), (90, 120, 80), np.uint8)
    top, left = side - len(person), 900
    window = scene[top:, left : left + len(person)]
    window[...] = person * truth[..., None] + window * (1 - truth[..., None])
    first, _ = matting.first_look(scene)
    assert len(find_small_people(first, scene.shape[:2])) == 1
    alpha = matting.alpha(scene)
    first = cv2.resize(first, (side, side), interpolation=cv2.INTER_LINEAR)
    errors = []
    for matte in (alpha, first):
        errors.append(np.abs(matte[top:, left : left + len(person)] - truth).mean())
    assert errors[0] < 0.8 * errors[1], errors
    assert alpha[: side // 4].max() == 0


def test_a_closer_look_has_the_size_of_the_first_and_the_people_of_the_second(matting):
    scene = np.full((1300, 1300, 3), (90, 120, 80), np.uint8)
    scene[-460:, 450:910] = cv2.resize(sample("1.png"), (460, 460), interpolation=cv2.INTER_AREA)
    first = matting.first_look(scene)
    before = first.alpha.copy()
    closer = matting.closer_look(first, scene)
    assert closer.alpha.shape == before.shape and closer.seen is first.seen
    assert np.array_equal(first.alpha, before)
    second = matting.see(scene).alpha(scene)
    far, near = (np.abs(matting.enlarge(one, scene) - second).mean() for one in (first, closer))
    assert near < 0.5 * far, (near, far)
    large = sample("2.png")
    first = matting.first_look(large)
    assert np.array_equal(matting.closer_look(first, large).alpha, first.alpha)


def test_a_closer_look_finds_people_where_others_know_of_them(matting):
    scene = np.full((1300, 1300, 3), (90, 120, 80), np.uint8)
    scene[-460:, 450:910] = cv2.resize(sample("1.png"), (460, 460), interpolation=cv2.INTER_AREA)
    first = matting.first_look(scene)
    missed = first._replace(alpha=np.zeros_like(first.alpha))
    assert matting.closer_look(missed, scene).alpha.max() == 0
    found = matting.closer_look(missed, scene, first.alpha).alpha
    assert np.abs(found - matting.closer_look(first, scene).alpha).mean() < 0.005
    elsewhere = np.flipud(first.alpha)
    assert matting.closer_look(missed, scene, elsewhere).alpha.mean() < 0.1 * found.mean()


def test_windows_of_a_film_hold_those_of_a_photo_and_stay_while_people_move():
    windows = []
    for left in range(60, 90):
        alpha = np.zeros((288, 512), np.float32)
        alpha[40:160, left : left + 40] = alpha[30:90, left + 150 : left + 180] = 1
        photo = find_small_people(alpha, (1080, 1920))
        film = find_small_people(alpha, (1080, 1920), in_film=True)
        assert len(photo) == len(film) == 2 and not film[0].overlaps(film[1])
        for box, window in zip(photo, film):
            assert window.join(box) == window and window.area < 2 * box.area
            assert window.bottom <= 1080 and window.right <= 1920
        windows.append(film)
    changes = sum(a != b for a, b in zip(windows, windows[1:]))
    assert changes <= 12


def test_people_from_head_to_foot_of_a_film_get_a_closer_look():
    alpha = np.zeros((288, 512), np.float32)
    alpha[30:280, 200:270] = 1
    assert find_small_people(alpha, (540, 960)) == []
    (window,) = find_small_people(alpha, (540, 960), in_film=True)
    assert window.top == 0 and window.bottom == 540
    alpha[30:280, 50:450] = 1
    assert find_small_people(alpha, (540, 960), in_film=True) == []


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (16, 16), (17, 33)])
def test_windows_of_the_smallest_films_are_not_empty(shape):
    alpha = np.zeros((64, 64), np.float32)
    alpha[20:24, 20:24] = 1
    for window in find_small_people(alpha, shape, in_film=True):
        assert window.area > 0 and window.bottom <= shape[0] and window.right <= shape[1]


def test_boxes_hold_separate_people_and_join_groups():
    alpha = np.zeros((500, 500), np.float32)
    assert find_small_people(alpha, (2000, 2000)) == []
    alpha[400:440, 20:40] = 1
    alpha[300:350, 300:320] = 1
    alpha[300:350, 325:340] = 1
    group, alone = find_small_people(alpha, (2000, 2000))
    assert group.left <= 1200 and group.right >= 1360 and group.top <= 1200 <= group.bottom
    assert alone.left <= 80 and alone.right >= 160
    assert not group.overlaps(alone)
    # Also where the first look saw every pixel: of those, the mask network saw a quarter.
    assert len(find_small_people(alpha, (500, 500))) == 2
    alpha[:, :] = 1
    assert find_small_people(alpha, (2000, 2000)) == []


def test_specks_go_and_people_stay():
    alpha = np.zeros((300, 300), np.float32)
    alpha[100:, 80:200] = 1
    alpha[95:100, 80:200] = 0.3  # hair hangs together with the head
    alpha[40:140, 20:40] = 1  # a child beside
    clean = alpha.copy()
    alpha[10:20, 250:260] = 0.9
    assert np.array_equal(drop_specks(alpha), clean)


def test_closed_once_or_twice_it_says_so():
    with Matting(weights="bshm-lite") as matting:
        matting.close()
    with pytest.raises(DeviceError, match="closed"):
        matting.alpha(sample("1.png"))


@pytest.mark.parametrize("size", [(600, 500), (1200, 1400)])
def test_what_is_seen_needs_no_network_to_become_alpha(size):
    """Also where somebody small in the frame gets a closer look."""
    photo = np.full((*size, 3), 90, np.uint8)
    person = cv2.resize(sample("1.png"), (240, 300), interpolation=cv2.INTER_AREA)
    photo[-300:, 100:340] = person
    with Matting(weights="bshm-lite") as matting:
        expected = matting.alpha(photo)
        sight = matting.see(photo)
        look = matting.first_look(photo)
    assert look.seen.shape == (*working_size(*size), 3) == (*look.alpha.shape, 3)
    assert np.array_equal(sight.whole.alpha, look.alpha)
    assert len(sight.closer) == (size[0] > 1000)
    for _ in range(2):  # the first time changes nothing in it
        assert np.array_equal(sight.alpha(photo), expected)
