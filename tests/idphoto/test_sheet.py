"""Copies on paper, with lines to cut along."""

from __future__ import annotations

import numpy as np
import pytest

from bshm.errors import OutputError
from bshm.idphoto import sheet, sizes


def _copies(made):
    """How many copies of a red photo are in a sheet, counted by their rows and columns."""
    red = (made == (200, 0, 0)).all(axis=2)
    return [
        int((np.diff(np.concatenate([[0], line.astype(int)])) == 1).sum())
        for line in (red.any(axis=0), red.any(axis=1))
    ]


@pytest.mark.parametrize(
    "size, paper, copies",
    [
        ("1inch", "6inch", (5, 2)),
        ("35x45mm", "6inch", (2, 3)),
        ("2x2in", "a4", (3, 5)),
        ("35x53mm", "5inch", (2, 2)),
    ],
)
def test_as_many_as_go_on_it(size, paper, copies):
    size = sizes.parse(size)
    photo = np.full((size.height, size.width, 3), (200, 0, 0), np.uint8)
    made = sheet.lay_out(photo, sizes.paper(paper), 300)
    assert sorted(made.shape[:2]) == sorted(sizes.paper(paper))
    assert _copies(made) == list(copies)
    red = (made == (200, 0, 0)).all(axis=2)
    assert red.sum() == copies[0] * copies[1] * size.width * size.height  # none is cut by a line
    margin = int(sheet.MARGIN * 300 / 25.4)
    assert not red[:margin].any() and not red[:, :margin].any() and not red[:, -margin:].any()


def test_lines_run_along_every_edge_out_to_the_paper():
    photo = np.full((413, 295, 3), (200, 0, 0), np.uint8)
    made = sheet.lay_out(photo, (1800, 1200), 300)
    red = (made == (200, 0, 0)).all(axis=2)
    columns, rows = (np.flatnonzero(red.any(axis=axis)) for axis in (0, 1))
    for at in (columns[0] - 1, columns[-1] + 1):
        assert (made[: rows[0], at] == sheet.GREY).all()
        assert (made[rows[-1] + 1 :, at] == sheet.GREY).all()
    for at in (rows[0] - 1, rows[-1] + 1):
        assert (made[at, : columns[0]] == sheet.GREY).all()


def test_a_photo_that_does_not_go_on_the_paper():
    with pytest.raises(OutputError, match="margins"):
        sheet.lay_out(np.zeros((1200, 900, 3), np.uint8), (1000, 1200), 300)
