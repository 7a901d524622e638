"""A socket that is handed over, as systemd does: nobody who connects meanwhile is lost."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.helpers import ROOT
from tests.serve.running import serving, wait_for

# What systemd does: the sockets become number 3 and so on, and the variables name the process.
HAND_OVER = (
    "import os, sys; given = [os.dup(int(number)) for number in sys.argv[1:]];"
    "[os.dup2(one, 3 + n) for n, one in enumerate(given)];"
    "[os.set_inheritable(3 + n, True) for n in range(len(given))];"
    "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(given)));"
    "os.execv(sys.executable, [sys.executable, '-m', 'bshm', 'serve', '--workers', '1'])"
)


def start(*listening):
    numbers = [one.fileno() for one in listening]
    return subprocess.Popen(
        [sys.executable, "-c", HAND_OVER, *map(str, numbers)],
        cwd=str(ROOT),
        pass_fds=numbers,
        stderr=subprocess.DEVNULL,
    )


class UnixConnection(http.client.HTTPConnection):
    """A client of a socket that has a path and no address."""

    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def test_every_socket_that_is_handed_over_is_served(tmp_path):
    """nginx comes by a path, and others by an address."""
    path = str(tmp_path / "bshm.sock")
    with socket.socket(socket.AF_UNIX) as unix, socket.create_server(("127.0.0.1", 0)) as tcp:
        unix.bind(path)
        unix.listen()
        url = "http://127.0.0.1:%d/readyz" % tcp.getsockname()[1]
        service = start(unix, tcp)
        try:
            wait_for(lambda: requests.get(url, timeout=60).status_code == 200)
            client = UnixConnection(path)
            client.request("GET", "/api/remove?url=http://10.0.0.1/x.jpg")
            assert client.getresponse().status == 400
        finally:
            service.send_signal(signal.SIGKILL)
            service.wait()


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


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
def test_a_proxy_is_known_on_a_socket_of_both_versions():
    """Its IPv4 address comes as ::ffff:127.0.0.1 there."""
    with serving("--host", "::", "--workers", "1") as service:
        url = "http://127.0.0.1:%d/api/remove" % service.port
        assert requests.post(url, headers={"X-Forwarded-For": "9.9.9.9"}).status_code == 415
        wait_for(service.log)
        assert service.log()[-1]["client"] == "9.9.9.9"
