"""A socket that is handed over, as systemd does: nobody who connects meanwhile is lost."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.helpers import ROOT
from tests.serve.running import wait_for

# What systemd does: the socket becomes number 3, and the variables name the process.
HAND_OVER = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.set_inheritable(3, True);"
    "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1');"
    "os.execv(sys.executable, [sys.executable, '-m', 'bshm', 'serve', '--workers', '1'])"
)


def start(listening):
    return subprocess.Popen(
        [sys.executable, "-c", HAND_OVER, str(listening.fileno())],
        cwd=str(ROOT),
        pass_fds=[listening.fileno()],
        stderr=subprocess.DEVNULL,
    )


def test_a_restart_loses_nobody(portrait):
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(4) as pool:
        url = "http://127.0.0.1:%d" % listening.getsockname()[1]

        def post(_):
            return requests.post(url + "/api/remove", files={"file": portrait}).status_code

        service = start(listening)
        try:
            wait_for(lambda: requests.get(url + "/readyz").status_code == 200)
            before = [pool.submit(post, number) for number in range(4)]
            service.send_signal(signal.SIGTERM)
            assert service.wait(60) == 0
            during = [pool.submit(post, number) for number in range(4)]
            service = start(listening)
            assert [one.result() for one in before + during] == [200] * 8
        finally:
            service.send_signal(signal.SIGKILL)
            service.wait()
