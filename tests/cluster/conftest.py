"""A local cluster for the tests that need one: a head, and a node that comes and goes."""

from __future__ import annotations

import os
import sys

import pytest

if sys.version_info < (3, 10):
    collect_ignore_glob = ["test_*.py"]  # the cluster asks for Python 3.10

OBJECT_STORE = 80_000_000  # bytes of each node; the least that Ray takes is 75 MB


def patiently(start):
    """What a call gives that starts a node. Ray allows it 30 seconds and raises an Exception; a
    busy machine may take longer, but hardly again and again.
    """
    for is_last in (False, False, True):
        try:
            return start()
        except Exception:
            if is_last:
                raise


class Nodes:
    """The two nodes of the cluster; the head is where this process is."""

    def __init__(self, cluster):
        self.cluster, self.address, self.other = cluster, cluster.address, None

    def both(self):
        """Let both be there, whatever an earlier test did."""
        if self.other is None:
            self.other = self.add(num_cpus=1)

    def add(self, **has):
        """Another node, which has so many ``num_cpus`` and ``num_gpus``."""
        args = {**has, "object_store_memory": OBJECT_STORE}
        return patiently(lambda: self.cluster.add_node(**args))

    def kill(self):
        """End the other one with all that runs on it, at once."""
        self.cluster.remove_node(self.other, allow_graceful=False)
        self.other = None


@pytest.fixture(scope="session")
def nodes(s3_server):
    """A cluster of two nodes of one CPU each; this process is connected to it."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", s3_server)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("no_proxy", "*")
        patch.setenv("RAY_worker_niceness", "0")  # beside other work, a nice one hardly gets on
        # Five looks at a node that does not answer, and it is dead: one that is killed, soon; one
        # that is slow has its ten seconds a look as ever.
        patch.setenv("RAY_health_check_period_ms", "500")
        head = {"num_cpus": 1, "object_store_memory": OBJECT_STORE, "include_dashboard": False}
        cluster = patiently(lambda: Cluster(initialize_head=True, head_node_args=head))
        ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
        yield Nodes(cluster)
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture
def two_nodes(nodes):
    nodes.both()
    return nodes


@pytest.fixture(scope="session")
def gpu_node(nodes):
    """One more node, which has a GPU, of which Ray is only told, and CPUs for two actors that share
    it and for one that goes: who has to wait for its CPU may wait for 20 seconds.
    """
    nodes.add(num_cpus=3, num_gpus=1)
