"""The real service in a process of its own, on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.helpers import ROOT

# The command with constants of modules changed: where a test is not to depend on how fast it is.
CHANGED = """
import importlib, json, sys
for name, value in json.loads(sys.argv.pop(1)).items():
    module, _, constant = name.rpartition(".")
    module = importlib.import_module("bshm.serve." + module)
    assert hasattr(module, constant)
    setattr(module, constant, value)
from bshm.__main__ import main
sys.exit(main())
"""


class Service:
    """A running ``bshm serve``: its address, its log, its end.

    constants: values of module constants, such as ``{"admission.SLOW_S": 0}``
    """

    def __init__(self, *flags, constants=None, **environment):
        how = ["-c", CHANGED, json.dumps(constants)] if constants else ["-m", "bshm"]
        command = [sys.executable, *how, "serve", "--port", "0", *map(str, flags)]
        self.process = subprocess.Popen(
            command, cwd=str(ROOT), env={**os.environ, **environment}, stderr=subprocess.PIPE
        )
        self.lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._told = threading.Event()
        self._reader.start()
        assert self._told.wait(60), self.lines
        self.url = re.search("http://[][0-9.:]+", self.lines[0]).group()
        self.port = int(self.url.rpartition(":")[2])

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line.decode())
            self._told.set()

    def get(self, path, timeout=60):
        """Status and text, of errors, too."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def wait_until_ready(self):
        try:
            wait_for(lambda: self.get("/readyz")[0] == 200)
        except (AssertionError, OSError) as error:
            raise AssertionError("not ready:\n" + "".join(self.lines)) from error
        return self

    def metric(self, name):
        """The number that /metrics has for a name with its labels."""
        text = self.get("/metrics")[1]
        found = re.search("^%s (.*)$" % re.escape(name), text, re.M)
        return float(found.group(1)) if found else 0.0

    def log(self):
        """The access lines so far."""
        return [json.loads(line) for line in self.lines if line.startswith("{")]

    def stop(self, number=signal.SIGTERM, within=60):
        """Tell it to stop; the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(within)
        self._reader.join(10)
        return code

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def wait_for(true, within=120, every=0.02):
    """Wait until something is true; fails when it is not in time, which a busy machine is given.

    every: seconds from look to look; more where looking holds up what is waited for
    """
    end = time.monotonic() + within
    while not true():
        assert time.monotonic() < end, "not within %d s" % within
        time.sleep(every)


@contextlib.contextmanager
def serving(*flags, **options):
    """A service that is ready, and its end; arguments as of `Service`."""
    service = Service(*flags, **options)
    try:
        yield service.wait_until_ready()
    finally:
        service.close()


def workers_of(service):
    """Process ids of the workers of a service: its children's children."""
    return grandchildren(service.process.pid)


def grandchildren(pid):
    """Ids of the processes that the children of a process started."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):  # it ended meanwhile
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                parents[int(folder.name)] = parent
    return [child for child, parent in parents.items() if parents.get(parent) == pid]


@contextlib.contextmanager
def frozen(service):
    """Meanwhile the workers get on with nothing: what waits, waits."""
    pids = workers_of(service)
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # some tests kill one meanwhile
                os.kill(pid, signal.SIGCONT)
