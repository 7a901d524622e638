"""Many machines: the jobs of the command as a Ray Data job, and the service on Ray Serve.

A photo's way, a module a step:

    plan      what is named -> shards: a few hundred photos and where their cutouts go, one after
              the other; frozen settings
    job       shards -> a pool of actors, and what became of them back, by Ray Data
    worker    an actor: a shard through `bshm.batch.run`, then its part of the report
    parts     the report: a Parquet file a shard, which is also what --skip-existing asks
    tars      the cutouts of a shard as one file, in the layout of WebDataset
    online    the service as a deployment: ``serve run bshm.cluster:deployment``

Any of it may be killed at any time. Files are there whole or not at all and their names follow from
the photos', so whoever does a shard again makes the same files again, and the same part.

Needs Python 3.10 and ``pip install 'bshm[cluster]'`` on each machine.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:  # PEP 562: the service is not loaded for a job
    if name == "deployment":
        from bshm.cluster.online import deployment

        return deployment
    raise AttributeError("module 'bshm.cluster' has no attribute %r" % name)
