"""One running service for the tests that change nothing in it."""

from __future__ import annotations

import sys

import pytest

from tests.helpers import PORTRAITS
from tests.serve.running import serving

if sys.version_info < (3, 10):
    collect_ignore_glob = ["test_*.py"]  # the service asks for Python 3.10


@pytest.fixture(scope="session")
def service():
    with serving() as running:
        yield running
        assert "Traceback" not in "".join(running.lines)


@pytest.fixture(scope="session")
def portrait():
    """A portrait of 600 × 400 pixels, as a JPEG."""
    from io import BytesIO

    from PIL import Image

    file = BytesIO()
    # Cut to the shape, not squeezed into it: of people who are squeezed, mattes are chance.
    photo = Image.open(str(PORTRAITS[0])).convert("RGB").crop((0, 20, 512, 361))
    photo.resize((600, 400)).save(file, "JPEG")
    return file.getvalue()
