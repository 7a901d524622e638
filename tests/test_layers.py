"""The floors of the house: imports go down only, never sideways between rooms of one floor."""

from __future__ import annotations

import ast
from pathlib import Path

import bshm

PACKAGE = Path(bshm.__file__).parent
# From the top. Rooms of one floor do not know each other; inside a room everybody knows everybody.
FLOORS = (
    ("cli",),
    ("cluster",),  # a wing, too, but its deployment is of the service, which stands below it
    ("video", "serve"),
    ("batch",),
    ("api",),
    ("pipeline",),
    ("cutouts",),
    ("matting", "scene", "idphoto"),
    ("model",),
    ("codec",),
    ("disk", "planes"),
    ("errors", "pictures", "timing"),
)
FLOOR = {room: number for number, floor in enumerate(FLOORS) for room in floor}
# The door: it is above all floors, knows the names, and imports a room when a name is asked for.
DOOR = ("__init__", "__main__")


def room(module: str) -> str:
    """The room of a module: of `bshm.codec.png` it is `codec`; of `bshm` itself, `__init__`."""
    return [*module.split("."), "__init__"][1]


def imports(path: Path):
    """Modules of bshm that a file imports, anywhere in it, with the lines."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "%s:%d imports by dots" % (path, node.lineno)
            names = [node.module]
            if node.module == "bshm":  # rooms, or the version
                names = ["bshm." + n.name for n in node.names if n.name != "__version__"]
        else:
            continue
        yield from ((name, node.lineno) for name in names if name.split(".")[0] == "bshm")


def test_every_room_has_its_floor():
    rooms = {path.stem for path in PACKAGE.glob("*.py")}
    rooms |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms - set(DOOR) <= set(FLOOR)


def test_imports_go_down_only():
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        here = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if here in DOOR:
            continue
        for module, line in imports(path):
            there = room(module)
            if there != here and FLOOR.get(there, -1) <= FLOOR[here]:
                wrong.append("%s:%d imports %s" % (path.relative_to(PACKAGE), line, module))
    assert not wrong, "\n".join(wrong)
