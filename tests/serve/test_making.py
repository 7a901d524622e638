"""What a worker makes of an order, with a stand-in for the network."""

from __future__ import annotations

import zipfile
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from bshm.pictures import Photo
from bshm.pipeline import Recipe, finish
from bshm.scene import compose, shadow
from bshm.serve.making import fulfil
from bshm.serve.order import Length, Order


class Everybody:
    """Takes all for people."""

    def alpha(self, rgb):
        return np.ones(rgb.shape[:2], np.float32)


def test_a_photo_that_is_cut_out_already_gets_no_dark_edges_when_it_is_shrunk():
    pixels = np.zeros((60, 60, 4), np.uint8)  # black where transparent, as many programs write it
    pixels[13:47, 13:47] = (230, 120, 10, 255)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    made = fulfil(Order(file.getvalue(), 10**6, result_pixels=21 * 21), Everybody())
    found = np.asarray(Image.open(BytesIO(made.data)))
    assert found.shape == (21, 21, 4)
    soft = (found[..., 3] > 25) & (found[..., 3] < 230)
    assert soft.any()
    assert np.abs(found[soft][:, :3].astype(int) - (230, 120, 10)).max() <= 10


@pytest.mark.parametrize("size", [(3000, 300), (8000, 40), (40, 8000)])
def test_people_end_where_the_photo_does_however_it_is_shrunk(size):
    """Sides are shrunk to whole pixels, each by itself."""
    file = BytesIO()
    Image.new("RGB", size, (90, 90, 90)).save(file, "PNG")
    found = fulfil(Order(file.getvalue(), 10**6, result_pixels=250_000), Everybody()).people
    assert (found.right, found.bottom) == size


class Somebody:
    """Finds a person who stands in the frame."""

    def alpha(self, rgb):
        alpha = np.zeros(rgb.shape[:2], np.float32)
        alpha[40:180, 60:90] = 1
        return alpha


def made(**wishes):
    """RGBA of the result for a grey photo of 200 rows and 160 columns."""
    file = BytesIO()
    Image.new("RGB", (160, 200), (90, 90, 90)).save(file, "PNG")
    result = fulfil(Order(file.getvalue(), 10**6, **wishes), Somebody())
    return np.asarray(Image.open(BytesIO(result.data)))


@pytest.mark.parametrize("text", ["auto", "cast:azimuth=120", "drop"])
def test_a_crop_on_nothing_is_the_commands_with_its_shadow(text):
    found = made(crop=True, shadow=shadow.parse(text))
    photo = Photo(np.full((200, 160, 3), 90, np.uint8))
    recipe = Recipe(scene=compose.scene_of(shadow=text), crop=0)
    np.testing.assert_array_equal(found, finish(photo, Somebody().alpha(photo.rgb), recipe).pixels)
    # A margin that leaves the photo: nothing is there.
    wide = made(crop=True, shadow=shadow.parse(text), margin=(Length(150),) * 4)
    assert wide.shape == (140 + 300, 30 + 300, 4) and not wide[:100].any()
    seen = found[..., 3] > 4
    assert (wide[..., 3] > 4).sum() == seen.sum()


def test_a_crop_in_two_files_has_both_of_one_size():
    file = BytesIO()
    Image.new("RGB", (160, 200), (90, 90, 90)).save(file, "PNG")
    wishes = {"crop": True, "shadow": shadow.parse("drop"), "format": "zip"}
    result = fulfil(Order(file.getvalue(), 10**6, **wishes), Somebody())
    with zipfile.ZipFile(BytesIO(result.data)) as archive:
        sizes = {Image.open(BytesIO(archive.read(name))).size for name in archive.namelist()}
    assert sizes == {(result.width, result.height)}
