"""environment.yml and setup.py describe one and the same stack for Python 3.7."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
SEED = {"python_version": "3.7", "python_full_version": "3.7.16"}


def installed_by_setup() -> dict[str, Requirement]:
    """What setup.py asks for on Python 3.7, by name."""
    tree = ast.parse((ROOT / "setup.py").read_text("utf-8"))
    lists = [
        keyword.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg == "install_requires"
    ]
    wanted = [Requirement(line) for line in ast.literal_eval(lists[0])]
    return {r.name: r for r in wanted if r.marker is None or r.marker.evaluate(SEED)}


def environment(section: str) -> list[str]:
    """Entries of ``dependencies`` in environment.yml: those for conda, or those for pip."""
    text = (ROOT / "environment.yml").read_text("utf-8")
    conda, _, pip = text[text.index("\ndependencies:") :].partition("- pip:\n")
    return re.findall(r"^ +- (.+)$", {"conda": conda, "pip": pip}[section], re.M)


def test_every_pin_of_the_environment_is_the_one_in_setup():
    wanted = installed_by_setup()
    for line in environment("pip"):
        if not line.startswith("-"):
            pin = Requirement(line)
            assert pin.specifier == wanted[pin.name].specifier, line


def test_the_environment_pins_all_that_setup_pins():
    pinned = {r.name for r in installed_by_setup().values() if re.search("==|<", str(r.specifier))}
    assert pinned == {Requirement(line).name for line in environment("pip") if line[0] != "-"}
    assert {"tensorflow", "protobuf", "modelscope"} <= pinned


def test_the_environment_is_the_one_the_documentation_names():
    text = (ROOT / "environment.yml").read_text("utf-8")
    assert re.search("^name: bshm_matting$", text, re.M)
    assert {"python=3.7", "cudatoolkit=11.3", "cudnn=8.2", "pip"} == set(environment("conda"))
    assert "--editable ." in environment("pip")
