"""Installations that are broken: the real command says in one line what does not load."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.helpers import PORTRAITS, ROOT

pytestmark = pytest.mark.real_command

PHOTO = str(PORTRAITS[0])
LINKER = "libGL.so.1: cannot open shared object file"
# As packages do it: the linker's words, under some of their own.
BROKEN = """
try:
    raise ImportError(%r)
except ImportError:
    raise ImportError("PLEASE READ THIS\\n\\nit did not work")
"""


# As protobuf does it to a TensorFlow that is too old for it.
UNFIT = "raise TypeError(%r)"


def python(
    folder: Path, broken: str, *arguments: str, fault: str = BROKEN
) -> subprocess.CompletedProcess:
    """Python with a module of this name that does not load."""
    (folder / (broken + ".py")).write_text(fault % LINKER, "utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, cwd=str(folder), capture_output=True)


@pytest.mark.parametrize(
    ("broken", "engine", "package", "fault"),
    [
        ("cv2", "auto", "opencv-python-headless", BROKEN),
        ("cv2", "auto", "opencv-python-headless", UNFIT),
        ("numpy", "auto", "numpy", BROKEN),
        ("onnxruntime", "onnx", "onnxruntime", BROKEN),
        ("tensorflow", "tensorflow", "tensorflow", BROKEN),
    ],
)
def test_a_package_that_does_not_load_is_one_line(tmp_path, broken, engine, package, fault):
    arguments = ["-m", "bshm", "-i", PHOTO, "-d", "out", "--engine", engine]
    done = python(tmp_path, broken, *arguments, fault=fault)
    said = done.stderr.decode()
    assert done.returncode == 1 and not (tmp_path / "out" / "1.png").exists()
    assert said.startswith("bshm: ") and said.count("\n") == 1, said
    assert package in said and said.endswith(LINKER + "\n")


@pytest.mark.parametrize("fault", [BROKEN, UNFIT])
@pytest.mark.parametrize(
    ("broken", "engine"), [("onnxruntime", "onnx"), ("tensorflow", "tensorflow")]
)
def test_an_engine_that_does_not_load_is_a_device_error(tmp_path, broken, engine, fault):
    code = (
        "import bshm\n"
        "try: bshm.Matting(weights='bshm-lite', engine=%r)\n"
        "except bshm.DeviceError as error: print(error)"
    ) % engine
    pytest.importorskip("cv2")
    done = python(tmp_path, broken, "-c", code, fault=fault)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode() == (
        "the engine %s needs the package %s, which does not load, install it again: %s\n"
        % (engine, broken, LINKER)
    )


# As the loader does it where `ulimit -v` is too small for a library.
NO_ROOM = "raise ImportError('cv2.abi3.so: failed to map segment from shared object')  # %s"


@pytest.mark.parametrize("broken", ["cv2", "onnxruntime"])
def test_too_little_memory_to_load_a_package_is_called_that(tmp_path, broken):
    done = python(tmp_path, broken, "-m", "bshm", "-i", PHOTO, "-d", "out", fault=NO_ROOM)
    said = done.stderr.decode()
    assert done.returncode == 1 and said.count("\n") == 1, said
    assert "there is not enough memory to load" in said and "install" not in said


# Modules that a program loads first and that Ctrl-C meets; NumPy takes it for a broken library.
INTERRUPTED = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
except KeyboardInterrupt:
    %s
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX only")
@pytest.mark.parametrize("start", [["-m", "bshm"], [str(ROOT / "inference_bshm.py")]])
@pytest.mark.parametrize(
    ("module", "then"), [("argparse", "raise"), ("numpy", "raise ImportError('interrupted')")]
)
def test_ctrl_c_while_the_program_starts_is_one_line(tmp_path, start, module, then):
    (tmp_path / (module + ".py")).write_text(INTERRUPTED % then, "utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    command = [sys.executable, *start, "-i", PHOTO, "-d", str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=50)
    assert (done.returncode, done.stderr) == (130, b"bshm: interrupted\n")


PATCHED = """
import sys
from bshm.matting import upsample
def broken(*_):
    raise IndexError("index 3 is out of bounds")
upsample._colour_lines = broken
from bshm.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(("flags", "shown"), [([], False), (["-v"], True)])
def test_a_fault_of_our_own_is_one_line_and_with_v_its_traceback(tmp_path, flags, shown):
    large = tmp_path / "large.png"  # larger than what the network sees
    Image.open(PHOTO).resize((1500, 1500)).save(large)
    out = str(tmp_path / "out")
    command = [sys.executable, "-c", PATCHED, *flags, "-i", str(large), "-d", out]
    done = subprocess.run(command, cwd=str(ROOT), capture_output=True)
    said = done.stderr.decode()
    assert done.returncode == 1
    assert "large.png: cannot be matted (IndexError: index 3 is out of bounds)\n" in said
    assert ("Traceback" in said) is shown and ("in broken" in said) is shown


def test_a_broken_module_of_our_own_is_no_missing_package(tmp_path):
    shutil.copytree(str(ROOT / "bshm"), str(tmp_path / "bshm"))
    broken = tmp_path / "bshm" / "batch" / "outputs.py"
    broken.write_text("(\n" + broken.read_text("utf-8"), "utf-8")
    command = [sys.executable, "-m", "bshm", "-i", PHOTO]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=str(tmp_path), env=environment, capture_output=True)
    said = done.stderr.decode()
    assert done.returncode == 1 and "SyntaxError" in said and "outputs.py" in said
    assert "install it again" not in said
