"""``bshm cluster`` before any cluster: what is refused, and what it says."""

from __future__ import annotations

import importlib.util

import pytest

from bshm.cli import cluster
from bshm.errors import BshmError
from tests.helpers import PORTRAITS


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([str(PORTRAITS[0]), "-o", "x.png"], "-o is of one photo"),
        (["-"], "stdin is of one machine"),
        ([], "no photo is named"),
        ([str(PORTRAITS[0]), "--shard-size", "0"], "--shard-size takes a number from 1"),
        ([str(PORTRAITS[0]), "--actors", "many"], "expected a number, got 'many'"),
        ([str(PORTRAITS[0]), "--both", "--only-alpha"], "--both is not allowed with --only-alpha"),
    ],
)
def test_wrong_usage_is_code_2(arguments, words, capsys):
    pytest.importorskip("ray")
    with pytest.raises(SystemExit) as left:
        cluster.run(arguments)
    assert left.value.code == 2 and words in capsys.readouterr().err


def test_what_is_missing_is_named_in_one_line(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BshmError, match=r"pip install '.*\[cluster\]'") as caught:
        cluster.run([str(PORTRAITS[0])])
    assert caught.value.code == "extra_missing" and "\n" not in str(caught.value)


def test_no_cluster_there_is_one_line(tmp_path):
    pytest.importorskip("ray")
    from bshm.cluster.job import connect

    with pytest.raises(BshmError, match=r"no cluster is at 127\.0\.0\.1:1") as caught:
        connect("127.0.0.1:1", 1, False)
    assert caught.value.code == "no_cluster" and "\n" not in str(caught.value)
