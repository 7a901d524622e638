"""What `deploy/` and the Dockerfile say, tried: behind nginx, the units, the health check."""

from __future__ import annotations

import contextlib
import getpass
import json
import re
import shutil
import socket
import ssl
import subprocess
from http.client import HTTPSConnection

import pytest
import requests

from tests.helpers import ROOT
from tests.serve.running import Service, frozen, serving, wait_for
from tests.serve.test_admission import form

DEPLOY = ROOT / "deploy"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
# As root, nginx would leave the work to another user, who may not enter the folder of a test.
AROUND = """
user {user};
daemon off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{server}
}}
"""


class Front:
    """nginx with the server of `deploy/nginx.conf`, before a service."""

    def __init__(self, folder, service):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        certificate = ["-nodes", "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"]
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", *certificate],
            cwd=str(folder),
            check=True,
            stderr=subprocess.DEVNULL,
        )
        server = (DEPLOY / "nginx.conf").read_text("utf-8")
        for told, here in (
            ("listen 443 ssl", "listen 127.0.0.1:%d ssl" % self.port),
            ("/etc/ssl/cutout.pem", str(folder / "cert.pem")),
            ("/etc/ssl/cutout.key", str(folder / "key.pem")),
            ("127.0.0.1:7000;", "127.0.0.1:%d;" % service.port),
        ):
            assert server.count(told) == 1
            server = server.replace(told, here)
        (folder / "nginx.conf").write_text(
            AROUND.format(user=getpass.getuser(), folder=folder, server=server), "utf-8"
        )
        command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        wait_for(lambda: self.ask("GET", "/livez")[0] == 200)

    def ask(self, method, path, body=None, client="127.0.0.1", **headers):
        """Status, headers and body of what a client at an address of loopback is answered."""
        trusting = ssl._create_unverified_context()
        connection = HTTPSConnection(
            "127.0.0.1", self.port, timeout=60, context=trusting, source_address=(client, 0)
        )
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(connection):
            try:
                connection.request(method, path, body, named)
            except ConnectionRefusedError:
                return 0, {}, b""
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def post(self, photo, **options):
        kind = "multipart/form-data; boundary=b"
        return self.ask("POST", "/api/remove", form(photo), Content_Type=kind, **options)


@contextlib.contextmanager
def behind(folder, *flags):
    if not (NGINX and shutil.which("openssl")):
        pytest.skip("nginx or openssl is not installed: the service was not tried behind it")
    with serving("--workers", 1, *flags) as service:
        front = Front(folder, service)
        try:
            yield front, service
        finally:
            front.process.terminate()
            front.process.wait(30)


def test_nginx_passes_photos_and_refusals_on(tmp_path, portrait):
    with behind(tmp_path, "--queue", 1) as (front, service):
        status, headers, body = front.post(portrait)
        assert (status, headers["Content-Type"], body[:4]) == (200, "image/png", b"\x89PNG")
        own = "https://127.0.0.1:%d" % front.port
        assert front.post(portrait, Origin=own)[0] == 200
        assert front.post(portrait, Origin="https://evil.example")[0] == 403
        assert front.post(b"no photo" * 3_900_000)[0] == 400  # 31 MB come through
        for size in (32_500_000, 40_000_000):  # refused by the service, and by nginx itself
            status, headers, body = front.post(bytes(size))
            assert status == 413 and "limit of 32 MB" in json.loads(body)["detail"]
        assert front.ask("GET", "/metrics")[0] == 403
        assert front.ask("GET", "/")[0] == 200
        with frozen(service):
            waiting = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(2)]
            for one in waiting:
                one.sendall(b"POST /api/remove HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n")
                one.sendall(b"Content-Type: application/json\r\n\r\n")
            wait_for(lambda: service.metric("bshm_inside") == 2)
            status, headers, body = front.post(portrait)
            assert status == 429 and headers["Retry-After"].isdigit()
            assert "busy" in json.loads(body)["detail"]
            for one in waiting:
                one.close()


def test_rates_behind_nginx_are_each_clients_own(tmp_path, portrait):
    with behind(tmp_path, "--rate", 1) as (front, service):
        assert front.post(portrait, client="127.0.0.2")[0] == 200
        status, headers, _ = front.post(portrait, client="127.0.0.2", X_Forwarded_For="9.9.9.9")
        assert status == 429 and headers["X-RateLimit-Limit"] == "1"
        assert front.post(portrait, client="127.0.0.3")[0] == 200

        def told():
            return [line["client"] for line in service.log() if line["path"] == "/api/remove"]

        wait_for(lambda: len(told()) >= 3)  # the last line may come after its answer
        assert told() == ["127.0.0.2", "127.0.0.2", "127.0.0.3"]


def test_forwarded_addresses_of_others_are_not_believed(portrait):
    with serving("--workers", 1, "--proxies", "10.0.0.1") as service:
        requests.post(service.url + "/api/remove", headers={"X-Forwarded-For": "9.9.9.9"})
        wait_for(service.log)
        assert service.log()[0]["client"] == "127.0.0.1"


def test_the_units_are_what_systemd_takes(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed: the units were not tried")
    for name in ("bshm.service", "bshm.socket"):
        text = (DEPLOY / name).read_text("utf-8").replace("/opt/bshm/bin/bshm", "/bin/true")
        (tmp_path / name).write_text(text, "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "bshm.socket", "bshm.service"],
        cwd=str(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert (done.returncode, done.stdout) == (0, b"")


def test_the_health_check_of_the_image():
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", "")
    command = json.loads(re.search(r"^HEALTHCHECK .* CMD (\[.*\])$", text, re.M).group(1))

    def check(port):
        environment = {"PATH": "/usr/bin:/bin", "BSHM_PORT": str(port)}
        python = [shutil.which("python3"), *command[1:]]
        return subprocess.run(python, env=environment, stderr=subprocess.DEVNULL).returncode

    service = Service("--workers", 1, "--drain-s", 30)
    try:
        service.wait_until_ready()
        assert check(service.port) == 0
        service.process.terminate()
        wait_for(lambda: service.get("/readyz")[0] == 503)
        assert check(service.port) == 1
    finally:
        service.close()
    assert check(service.port) == 1
