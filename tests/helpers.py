"""What the tests of several folders use: the samples, the real command, refused photos."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from pathlib import Path

import pytest

from bshm.cli.main import main
from bshm.errors import InputError

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "inference_bshm.py"
COMMAND = [sys.executable, str(SCRIPT)]
PORTRAITS = [ROOT / "image-matting" / "1.png", ROOT / "image-matting" / "2.png"]


def bshm(*arguments, cwd=ROOT, code=0, **options):
    """Run the command to its end; its streams are bytes, for stdout may be a picture."""
    command = [*COMMAND, *map(str, arguments)]
    done = subprocess.run(command, cwd=str(cwd), capture_output=True, timeout=120, **options)
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done


def refused(*arguments, code=2):
    """What the command says where it does not even begin. It runs in this process: nothing of one
    matters to that, and there are many such cases.
    """
    with contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            found = main(list(map(str, arguments)))
        except SystemExit as left:
            found = left.code
    assert found == code, said.getvalue()
    return said.getvalue()


def lines(stream):
    return stream.decode().splitlines()


def refusal(source):
    """The message of a source that cannot be read: one line that names it."""
    with pytest.raises(InputError) as caught:
        source.read()
    message = str(caught.value)
    assert message.startswith(source.name + ": ") and "\n" not in message
    return message


def sample(name, height, width):
    """A sample portrait at another size: RGB uint8 ``[height, width, 3]``."""
    import cv2

    rgb = cv2.imread(str(ROOT / "image-matting" / name))[:, :, ::-1]
    return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_CUBIC)
