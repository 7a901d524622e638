"""Errors: every code is listed, used, and free of the command line's flags."""

from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path

from bshm import errors
from bshm.cli.main import COMMANDS
from bshm.cli.terminal import HINTS, with_hint
from bshm.errors import BshmError, InputError, WeightsError, install_extra
from tests.helpers import bshm

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


def test_every_hint_fits_its_error():
    """The whole line, for some error of each code, as the command says it."""
    lines = {
        "named_pipe": "a.jpg: is so; pipe the photo to `-i -` instead",
        "no_photos_here": "a.jpg: is so; --recursive looks into the folders below",
        "too_many_pixels": "a.jpg: is so; --max-pixels raises it",
        "would_overwrite_input": "a.jpg: is so; choose another place with -d or -o",
        "foreign_file": "a.jpg: is so; --force replaces it, -d or -o names another place",
        "several_people": "a.jpg: is so; --lenient takes the largest",
        "head_cut_off": "a.jpg: is so; take a photo with room above the head, or --lenient",
        "head_too_small": "a.jpg: is so; take a larger photo, or --lenient",
        "body_cut_off": "a.jpg: is so; take a photo with more around the head, or --lenient",
        "body_ends": "a.jpg: is so; take a photo of head and shoulders, upright, or --lenient",
        "too_many_bytes": "a.jpg: is so; take a larger --kb, or in `bshm id` a smaller --size",
        "paper_too_small": "a.jpg: is so; take a larger --sheet",
        "foreign_film": "a.jpg: is so; --force replaces it, -o names another",
        "would_overwrite_film": "a.jpg: is so; choose another name with -o",
        "unknown_format": "a.jpg: is so; --format names one",
        "released_missing": "a.jpg: is so; `bshm download` fetches them",
        "not_downloaded": "a.jpg: is so; run `bshm download a.jpg`",
        "weights_damaged": "a.jpg: is so; `bshm download` fetches it again",
        "conversion_damaged": "a.jpg: is so; `bshm convert` makes it again from tf_graph.pb",
        "no_record": "a.jpg: is so; `bshm download` writes one",
        "needs_tensorflow": "a.jpg: is so; `bshm convert` turns the graph into ONNX",
    }
    assert {code: with_hint(BshmError("is so", "a.jpg", code)) for code in HINTS} == lines


def test_flags_and_commands_of_hints_are_there():
    said = bshm("--help").stdout.decode() + bshm("id", "--help").stdout.decode()
    for hint in HINTS.values():
        for flag in re.findall(r"(?<![\w-])--?[a-z][\w-]*", hint):
            assert re.search(r"(?<![\w-])%s\b" % flag, said), flag
        for command in re.findall(r"`bshm (\w+)", hint):
            assert command in COMMANDS


def test_lines_of_the_command_show_no_secrets():
    error = WeightsError("no such weights: s3://bob:s3cret@h/x?sig=s3cret (expected a file)")
    assert with_hint(error) == "no such weights: s3://h/x?sig=... (expected a file)"


def test_extras_are_installed_from_where_this_is(tmp_path, monkeypatch):
    monkeypatch.chdir(PACKAGE.parent)
    assert install_extra("heic") == "pip install '.[heic]'"
    monkeypatch.chdir(tmp_path)
    assert install_extra("heic") == "pip install '%s[heic]'" % PACKAGE.parent
    monkeypatch.setattr(errors, "__file__", str(tmp_path / "bshm" / "errors.py"))
    assert install_extra("heic") == "pip install 'bshm[heic]'"


def test_errors_keep_their_parts_between_processes():
    error = InputError("is empty", "a.jpg", "damaged")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is InputError and str(again) == "a.jpg: is empty"
    assert (again.reason, again.subject, again.code) == ("is empty", "a.jpg", "damaged")
