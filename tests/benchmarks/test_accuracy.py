"""``benchmarks/accuracy.py``, run as its users run it, on stored mattes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

if sys.version_info < (3, 10):
    pytest.skip("benchmarks/ are for Python 3.10 and newer", allow_module_level=True)

pytestmark = pytest.mark.real_command

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "accuracy.py"


def accuracy(*arguments, code=0):
    command = [sys.executable, SCRIPT, *arguments]
    done = subprocess.run(list(map(str, command)), capture_output=True, timeout=120)
    assert done.returncode == code, done.stderr.decode()
    return done


@pytest.fixture
def sets(tmp_path):
    """Photos and alphas of the same names in two sets: somebody on the left, on the right."""
    for name, half in [("a", np.s_[:, :20]), ("b", np.s_[:, 20:])]:
        alpha = np.zeros((30, 40), np.uint8)
        alpha[half] = 255
        for kind, pixels in [("photos", np.dstack([alpha] * 3)), ("alphas", alpha)]:
            (tmp_path / kind / name).mkdir(parents=True)
            Image.fromarray(pixels).save(tmp_path / kind / name / "1.png")
    return tmp_path


def test_stored_mattes_are_those_of_the_same_folder(sets):
    report = sets / "report.json"
    accuracy(sets / "photos", sets / "alphas", "--mattes", sets / "alphas", "--json", report)
    scores = json.loads(report.read_text("utf-8"))["tools"]["alphas"]["photos"]
    assert [score["mad"] for score in scores] == [0, 0]


def test_tools_of_equal_names_are_refused(sets):
    again = ["--mattes", sets / "alphas"] * 2
    done = accuracy(sets / "photos", sets / "alphas", *again, code=1)
    assert b"2 tools are called alphas" in done.stderr
