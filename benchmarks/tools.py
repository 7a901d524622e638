"""The tools that speed.py compares: what each one's command is for each task.

Standard library only, as measure.py asks.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import CommandFailed, run

ROOT = Path(__file__).resolve().parents[1]
WORKERS = Path(__file__).resolve().parent / "workers"
SHELL_LOOP = 'for photo in "$1"/*.jpg; do "$2" "$3" -i "$photo" -d "$4" || exit 1; done'


class Tool(NamedTuple):
    """One tool: its commands by task, with {photo}, {photos}, {out} and {times} to fill in.

    `missing`: how to install it, where it is not there; it then has no commands.
    """

    name: str
    commands: dict[str, list[str]]
    missing: str = ""
    cwd: Path | None = None
    env: dict[str, str] | None = None

    def command(self, task: str, **values: object) -> list[str] | None:
        """The command line for a task, or None where the tool has no such thing."""
        words = self.commands.get(task)
        # Not str.format: a word may hold JSON or shell code with braces of its own.
        for key, value in values.items() if words else ():
            words = [word.replace("{%s}" % key, str(value)) for word in words]
        return words


def ours(python: str) -> Tool:
    """This checkout, run as its users run it."""
    script = str(ROOT / "inference_bshm.py")
    return Tool(
        "bshm",
        {
            "help": [python, script, "--help"],
            "import": [python, "-c", "import bshm"],
            "cold": [python, script, "-i", "{photo}", "-d", "{out}"],
            "folder": [python, script, "-i", "{photos}", "-d", "{out}"],
            "warm": [python, str(WORKERS / "bshm_warm.py"), "{photo}", "{out}/1.png", "{times}"],
        },
        cwd=ROOT,
    )


def shell_loop(python: str) -> Tool:
    """Our own command, started again for every photo, as scripts do."""
    script = str(ROOT / "inference_bshm.py")
    command = ["sh", "-c", SHELL_LOOP, "sh", "{photos}", python, script, "{out}"]
    return Tool("bshm, shell loop", {"folder": command}, cwd=ROOT)


def rembg(python: str, model: Path | None) -> Tool:
    """rembg of another environment, with an IS-Net model through its "dis_custom" session."""
    name = "rembg, IS-Net"
    version = _version_of(python)
    if not version:
        return Tool(name, {}, "pip install 'rembg[cpu,cli]', then --rembg-python PYTHON")
    if model is None:
        return Tool(name, {}, "rembg is there, a model is not: --isnet FILE.onnx, or --imgly")
    program = str(Path(python).parent / "rembg")
    chosen = ["-m", "dis_custom", "-x", json.dumps({"model_path": str(model)})]
    warm = str(WORKERS / "rembg_warm.py")
    return Tool(
        "rembg %s, IS-Net" % version,
        {
            "help": [program, "--help"],
            "import": [python, "-c", "import rembg"],
            "cold": [program, "i", *chosen, "{photo}", "{out}/1.png"],
            "folder": [program, "p", *chosen, "{photos}", "{out}"],
            "warm": [python, warm, "{photo}", "{out}/1.png", "{times}", str(model)],
        },
        # It takes models only from below its own folder.
        env={"REMBG_HOME": str(model.parent)},
    )


def imgly(folder: Path) -> Tool:
    """@imgly/background-removal-node, installed in `folder`, with its default model."""
    package = folder / "node_modules" / "@imgly" / "background-removal-node" / "package.json"
    if not package.is_file() or not shutil.which("node"):
        return Tool("imgly", {}, "npm install @imgly/background-removal-node, then --imgly FOLDER")
    version = json.loads(package.read_text("utf-8"))["version"]
    node = ["node", str(WORKERS / "imgly.mjs")]
    return Tool(
        "imgly %s, IS-Net" % version,
        {
            "import": [*node, "import"],
            "cold": [*node, "cold", "{photo}", "{out}/1.png"],
            "folder": [*node, "folder", "{photos}", "{out}"],
            "warm": [*node, "warm", "{photo}", "{out}/1.png", "{times}"],
        },
        cwd=folder,
    )


def isnet_of(folder: Path, models: Path) -> Path | None:
    """The IS-Net that imgly's package carries, as a file below `models`; None without it."""
    model = models / "isnet.onnx"
    if not model.is_file():
        models.mkdir(parents=True, exist_ok=True)
        assemble = str(ROOT / "benchmarks" / "imgly_model.py")
        try:
            run([sys.executable, assemble, str(folder / "node_modules"), str(model)])
        except CommandFailed:
            return None
    return model


def _version_of(python: str) -> str:
    ask = "import importlib.metadata as m; print(m.version('rembg'))"
    try:
        return run([python, "-c", ask]).stdout.strip()
    except (CommandFailed, FileNotFoundError):
        return ""
