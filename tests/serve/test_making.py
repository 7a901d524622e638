"""What a worker makes of an order, with a stand-in for the network."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from bshm.serve.making import fulfil
from bshm.serve.order import Order


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
