"""make: what it would do, as it says with -n."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.helpers import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def python(path, version):
    """A stand-in for a Python of a version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\necho Python %s\n" % version, "utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(("asked", "made"), [("3.9.9", True), ("3.8.8", False), ("", False)])
def test_an_environment_of_another_python_is_made_anew(tmp_path, asked, made):
    for name in ("Makefile", "setup.py"):
        shutil.copy(str(ROOT / name), str(tmp_path / name))
    python(tmp_path / ".venv" / "bin" / "python", "3.8.8")
    (tmp_path / ".venv" / "installed").touch()
    flags = ["PYTHON=" + python(tmp_path / "python", asked)] if asked else []
    done = subprocess.run(
        ["make", "-n", "demo", *flags], cwd=str(tmp_path), stdout=subprocess.PIPE, check=True
    )
    said = done.stdout.decode()
    assert ("-m venv --clear .venv" in said) is made
    assert "inference_bshm.py" in said
