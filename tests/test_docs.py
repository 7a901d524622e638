"""What the README and its pages say: links that lead somewhere, commands that exist, and the same
in both languages.
"""

from __future__ import annotations

import contextlib
import functools
import io
import re
import shlex

import pytest

from bshm.cli.main import COMMANDS, main
from tests.helpers import ROOT

CHINESE = ".zh-CN.md"
ENGLISH = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
    if not path.name.endswith(CHINESE)
)
TWINS = [name[: -len(".md")] + CHINESE for name in ENGLISH]
PAGES = ENGLISH + TWINS
# The page of a command that has one of its own.
TOPICS = {"cut": "command", "id": "id", "serve": "service", "video": "video", "cluster": "cluster"}
FLAG = r"(?<![\w-])--?[a-z][\w-]*"


def read(name):
    return (ROOT / name).read_text("utf-8")


@functools.lru_cache(maxsize=None)
def help_of(name):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        main([name, "--help"])
    return out.getvalue()


def anchors(text):
    """The names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def listings(text):
    """Lines of the code of a page, without their comments."""
    fenced = re.findall(r"^```python\n(.*?)^```", text, re.S | re.M)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    indented = re.findall(r"^ {4}(\S.*)$", prose, re.M)
    lines = "\n".join(fenced).splitlines() + indented
    return [re.sub(r"(^| +)# .*", "", line) for line in lines]


def commands(text):
    """The words of each call of ``bshm`` that is shown in a listing."""
    text = re.sub(r"\\\n\s*", "", text)
    for line in listings(text):
        for part in re.split(r" \| | && ", line):
            words = [word for word in shlex.split(part, comments=True) if word != "python"]
            if words and words[0] in ("bshm", "inference_bshm.py", ".venv/bin/bshm"):
                yield words[1:]


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_to_a_file_and_a_heading(name):
    for target in re.findall(r"\]\(([^)\s]+)\)", read(name)):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (ROOT / name).parent / path if path else ROOT / name
        assert there.exists(), target
        assert not anchor or anchor in anchors(there.read_text("utf-8")), target


@pytest.mark.parametrize("name", [page for page in PAGES if page.startswith("docs")])
def test_every_page_is_reached_from_the_readme_and_leads_to_its_twin(name):
    readme = "README" + CHINESE if name.endswith(CHINESE) else "README.md"
    assert "](%s)" % name in read(readme)
    stem = name[: -len(CHINESE)] if name.endswith(CHINESE) else name[: -len(".md")]
    twin = stem + (".md" if name.endswith(CHINESE) else CHINESE)
    assert "](%s)" % twin[len("docs/") :] in read(name)


def test_every_chinese_page_has_an_english_one():
    assert sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*" + CHINESE)) == [
        twin for twin in sorted(TWINS) if twin.startswith("docs")
    ]


@pytest.mark.parametrize("english, chinese", list(zip(ENGLISH, TWINS)))
def test_both_languages_show_the_same(english, chinese):
    one, other = read(english), read(chinese)
    assert listings(one) == listings(other)
    assert len(re.findall("^#", one, re.M)) == len(re.findall("^#", other, re.M))
    for kept in (r"^- ", r"^\| ", r"^!\["):
        assert len(re.findall(kept, one, re.M)) == len(re.findall(kept, other, re.M)), kept
    assert set(re.findall(FLAG, one)) == set(re.findall(FLAG, other))


@pytest.mark.parametrize("name", PAGES)
def test_commands_that_are_shown_have_the_flags_they_are_shown_with(name):
    for words in commands(read(name)):
        command = words[0] if words and words[0] in COMMANDS else "cut"
        own = set(re.findall(FLAG, help_of(command)))
        for word in words:
            if re.match("--?[a-z]", word):
                assert word in own, " ".join(words)


@pytest.mark.parametrize("ending", [".md", CHINESE])
def test_the_page_of_the_command_lists_the_flags_of_the_help(ending):
    table = re.search(r"<!-- flags -->(.*?)<!-- /flags -->", read("docs/command" + ending), re.S)
    listed = " ".join(re.findall(r"`[^`]*`", table.group(1)))
    assert set(re.findall(FLAG, listed)) == set(re.findall(FLAG, help_of("cut")))


@pytest.mark.parametrize("ending", [".md", CHINESE])
def test_the_flags_of_the_readme_are_those_of_the_page(ending):
    rows = re.findall(r"^\| `-.*$", read("README" + ending), re.M)
    assert len(rows) > 5 and set(rows) <= set(read("docs/command" + ending).splitlines())


@pytest.mark.parametrize("ending", [".md", CHINESE])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_with_its_flags(name, ending):
    assert name == "cut" or "bshm %s" % name in read("docs/command" + ending)
    text = read("docs/command" + ending) + read("docs/scenes" + ending)
    if name in TOPICS:
        text += read("docs/%s%s" % (TOPICS[name], ending))
    for flag in set(re.findall(r"(?<![\w-])--[a-z][\w-]*", help_of(name))) - {"--help"}:
        assert flag in text, flag
