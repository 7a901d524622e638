"""``bshm cluster`` before any cluster: what is refused, and what it says."""

from __future__ import annotations

import importlib.util
import pickle
import re

import pytest

from bshm.cli import cluster, cut_flags, form, scene_flags
from bshm.errors import BshmError, DeviceError
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


@pytest.mark.parametrize(
    "scene",
    [
        [],
        ["--background", str(PORTRAITS[0]), "--shadow", "auto"],
        ["--background", str(PORTRAITS[0].parent)],
        ["--background", "blur", "--format", "jpeg", "--quality", "80"],
    ],
)
def test_flags_make_a_plan_that_means_the_same_elsewhere(scene):
    pytest.importorskip("ray")
    from bshm.cluster.job import Pool

    parser = cluster._parser()
    args = cut_flags.parse(parser, [*map(str, PORTRAITS), "-d", "out", *scene])
    recipes, backgrounds = scene_flags.read_recipes(args, parser, form.recipe(args, parser))
    plan = cluster._plan(args, recipes, backgrounds, Pool(1, 1, 0))
    sent = pickle.loads(pickle.dumps(plan))
    [shard] = plan.shards()
    states = [plan.state(job, plan.recipe(place)) for place, job in enumerate(shard.jobs)]
    assert states == [
        sent.state(job, sent.recipe(place)) for place, job in enumerate(next(sent.shards()).jobs)
    ]
    assert bool(plan.backgrounds) == any(str(PORTRAITS[0].parent) in word for word in scene)
    assert plan.weights == "bshm-lite" and len(plan.sha256) == 64 and plan.device == "cpu"


def test_what_is_missing_is_named_in_one_line(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BshmError, match=r"pip install '.*\[cluster\]'") as caught:
        cluster.run([str(PORTRAITS[0])])
    assert caught.value.code == "extra_missing" and "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "[::1]:1", "ray://127.0.0.1:1"])
def test_no_cluster_there_is_one_line(address):
    pytest.importorskip("ray")
    from bshm.cluster.job import connect

    with pytest.raises(BshmError, match="no cluster is at " + re.escape(address)) as caught:
        connect(address, 1, False)
    assert "Name or service not known" not in str(caught.value)
    assert caught.value.code == "no_cluster" and "\n" not in str(caught.value)


def test_a_machine_that_is_too_slow_for_a_cluster_is_told_in_one_line(monkeypatch):
    ray = pytest.importorskip("ray")
    from bshm.cluster.job import connect

    def too_slow(*_, **__):
        raise Exception("The current node timed out during startup.")  # as Ray does

    monkeypatch.setattr(ray, "init", too_slow)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_worker_niceness", "0")
    with pytest.raises(BshmError, match="no cluster could be started here") as caught:
        connect("", 1, False)
    assert caught.value.code == "no_cluster" and "\n" not in str(caught.value)


@pytest.mark.parametrize("verbose", [[], ["--verbose"]])
def test_what_ray_prints_of_lost_machines_is_not_on_stdout(monkeypatch, tmp_path, capfd, verbose):
    pytest.importorskip("ray")
    from bshm.batch.run import Result, Status
    from bshm.cluster import job

    def run(plan, pool):
        for shard in plan.shards():
            for each in shard.jobs:
                print("(raylet) The node has been marked dead")  # of another thread, as Ray does
                yield Result(each, Status.DONE)

    monkeypatch.setattr(job, "connect", lambda *_: None)
    monkeypatch.setattr(job, "machines", lambda: [{"CPU": 1}])
    monkeypatch.setattr(job, "run", run)
    assert cluster.run([str(PORTRAITS[0]), "-d", str(tmp_path), *verbose]) == 0
    said = capfd.readouterr()
    assert said.out.splitlines() == [str(tmp_path / "1.png")]
    assert ("marked dead" in said.err) == bool(verbose)
    print("and again")
    assert capfd.readouterr().out == "and again\n"


@pytest.mark.parametrize(
    ("flags", "machine", "pool"),
    [
        ([], {"CPU": 8}, (0, 1, 0)),
        (["--threads", "4"], {"CPU": 8}, (0, 4, 0)),
        (["--threads", "16"], {"CPU": 8}, (0, 8, 0)),
        ([], {"CPU": 4, "GPU": 1}, (0, 1, 0.25)),
        ([], {"CPU": 64, "GPU": 1}, (0, 1, 0.125)),
        ([], {"CPU": 28, "GPU": 4}, (0, 1, 0.1428)),
        ([], {"CPU": 1, "GPU": 2}, (0, 1, 1)),
        (["--threads", "2"], {"CPU": 8, "GPU": 1}, (0, 2, 0.25)),
        (["--actors", "4"], {"CPU": 32, "GPU": 4}, (4, 1, 1)),
        (["--actors", "8"], {"CPU": 32, "GPU": 4}, (8, 1, 0.5)),
        (["--device", "cpu"], {"CPU": 8, "GPU": 1}, (0, 1, 0)),
        (["--device", "cuda", "--address", "auto"], {"CPU": 8}, (0, 1, 1)),
    ],
)
def test_an_actor_takes_a_cpu_and_a_share_of_a_gpu(flags, machine, pool):
    pytest.importorskip("ray")
    from bshm.cluster.job import Pool

    args = cut_flags.parse(cluster._parser(), [str(PORTRAITS[0]), *flags])
    found = cluster._pool(args, [machine, {"CPU": 1}])
    assert found == Pool(*pool)
    if "GPU" in machine and found.gpus and not found.actors:  # who has a CPU fits on the GPUs
        assert found.gpus * min(machine["CPU"] // found.cpus, 8 * machine["GPU"]) <= machine["GPU"]


def test_a_gpu_that_no_machine_has_is_told_of_and_waited_for_only_where_one_may_join(
    capsys, monkeypatch
):
    pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    asked = [str(PORTRAITS[0]), "--device", "cuda"]
    with pytest.raises(DeviceError, match="no machine of the cluster has a GPU") as caught:
        cluster._pool(cut_flags.parse(cluster._parser(), asked), [{"CPU": 8}])
    assert caught.value.code == "device_missing" and "\n" not in str(caught.value)
    asked += ["--address", "10.0.0.1:6379"]
    assert cluster._pool(cut_flags.parse(cluster._parser(), asked), [{"CPU": 8}]).gpus == 1
    assert "waiting for one that has" in capsys.readouterr().err
