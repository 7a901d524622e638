"""Errors: every code is listed, used, and free of the command line's flags."""

from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path

from bshm import errors
from bshm.cli.terminal import HINTS, with_hint
from bshm.errors import BshmError, InputError

PACKAGE = Path(errors.__file__).parent
TREE = errors.__doc__.partition("\n\n")[2].partition("\n\n")[0]
LISTED = set(
    re.findall(r"\b[a-z]+(?:_[a-z]+)+\b|\b(?:unexpected|unreadable|damaged|closed)\b", TREE)
)
FLAG = re.compile(r"(^|[\s(`])--?[a-z]|`bshm ")


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text("utf-8"))


def is_string(node):
    return type(node).__name__ in ("Constant", "Str") and isinstance(ast.literal_eval(node), str)


def strings(tree):
    return [ast.literal_eval(node) for node in ast.walk(tree) if is_string(node)]


def raised():
    """Where errors are made: module, line, and the argument ``code``, None if there is none."""
    kinds = ("BshmError", "InputError", "OutputError", "WeightsError", "DeviceError")
    for name, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in kinds:
                named = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
                yield name, node.lineno, (named or node.args[2:] or [None])[0]


def test_every_error_has_a_code_that_is_listed():
    made = list(raised())
    assert len(made) > 50
    for name, line, code in made:
        assert code is not None, "%s:%d makes an error without a code" % (name, line)
        if is_string(code):
            assert ast.literal_eval(code) in LISTED, "%s:%d" % (name, line)


def test_every_code_that_is_listed_is_used():
    used = set()
    for _, tree in modules():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Dict):  # a hint is no use
                children = filter(is_string, ast.iter_child_nodes(node))
                used.update(map(ast.literal_eval, children))
    assert used >= LISTED, LISTED - used


def test_every_hint_is_of_a_code_that_is_listed():
    assert set(HINTS) <= LISTED


def test_the_library_says_nothing_of_flags_and_commands():
    for name, tree in modules():
        if name.startswith("cli/") or name == "__main__.py":
            continue
        documentation = {
            ast.get_docstring(node, clean=False)
            for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        }
        for text in strings(tree):
            if text not in documentation:
                assert not FLAG.search(text), "%s says %r" % (name, text)


def test_the_command_adds_what_can_be_done():
    for error, line in (
        (
            InputError("is huge", "a.jpg", "too_many_pixels"),
            "a.jpg: is huge; --max-pixels raises it",
        ),
        (InputError("is empty", "a.jpg", "damaged"), "a.jpg: is empty"),
        (BshmError("is gone", "me/m", "not_downloaded"), "me/m: is gone; run `bshm download me/m`"),
    ):
        assert with_hint(error) == line


def test_errors_keep_their_parts_between_processes():
    error = InputError("is empty", "a.jpg", "damaged")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is InputError and str(again) == "a.jpg: is empty"
    assert (again.reason, again.subject, again.code) == ("is empty", "a.jpg", "damaged")
