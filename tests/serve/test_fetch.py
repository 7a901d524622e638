"""Pictures behind addresses: what is fetched, and what never is."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
import requests

from bshm.serve.fetch import Fetcher, NotFetched
from bshm.serve.urls import Rules
from tests.serve.running import serving, wait_for


class Site(BaseHTTPRequestHandler):
    """What a path says: /photo, /to/ADDRESS, /huge, /slow, /chunked, /status/NNN."""

    protocol_version = "HTTP/1.1"
    photo = b""
    seen: ClassVar[list] = []

    def do_GET(self):
        Site.seen.append((self.path, dict(self.headers)))
        word, _, rest = self.path[1:].partition("/")
        if word == "to":
            self.send_response(302)
            self.send_header("Location", rest)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif word == "huge":
            self.send_response(200)
            self.send_header("Content-Length", str(10**10))
            self.end_headers()
        elif word == "slow":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.server.slow.wait(60)
            self.close_connection = True
        elif word == "chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in (Site.photo[:1000], Site.photo[1000:]):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        elif word == "short":
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"abc")
            self.close_connection = True
        elif word == "status":
            self.send_error(int(rest))
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(Site.photo)))
            self.end_headers()
            self.wfile.write(Site.photo)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site(portrait):
    Site.photo = portrait
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.slow = threading.Event()  # until which /slow says nothing
    server.url = "http://127.0.0.1:%d" % server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.slow.set()
    server.shutdown()


def fetch(url, *rules, max_bytes=1_000_000, total_s=10):
    fetcher = Fetcher(Rules(rules), max_bytes, total_s)
    return asyncio.run(fetcher.fetch(url, lambda size: None))


def test_a_photo_of_an_allowed_prefix(site, portrait):
    assert fetch(site.url + "/photo.jpg", site.url) == portrait
    assert fetch(site.url + "/chunked", site.url) == portrait
    assert fetch(site.url + "/to/" + site.url + "/photo.jpg", site.url) == portrait
    assert fetch(site.url + "/to//photo.jpg", site.url) == portrait


def test_the_request_tells_nothing_of_this_machine(site, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    fetch(site.url + "/photo.jpg", site.url)
    headers = Site.seen[-1][1]
    assert set(headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}


@pytest.mark.parametrize("path", ["/huge", "/slow", "/short", "/status/404", "/status/500"])
def test_what_is_not_had(site, path):
    with pytest.raises(NotFetched):
        fetch(site.url + path, site.url, total_s=1)


def test_no_more_than_the_limit(site):
    with pytest.raises(NotFetched):
        fetch(site.url + "/chunked", site.url, max_bytes=2000)


def test_redirects_are_checked_as_any_address(site):
    other = site.url.replace("127.0.0.1", "localhost")
    for target in (
        other + "/photo.jpg",
        "http://169.254.169.254/",
        "file:///etc/passwd",
        "http://[",
    ):
        with pytest.raises(NotFetched):
            fetch(site.url + "/to/" + target, site.url)
    around = site.url + "/to/" * 7
    with pytest.raises(NotFetched, match="too many redirects"):
        fetch(around, site.url)


def test_inner_addresses_are_never_connected_to(site):
    before = len(Site.seen)
    port = site.server_address[1]
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0"):
        with pytest.raises(NotFetched):
            fetch("http://%s:%d/photo.jpg" % (host, port), "public", "http://%s:%d/" % ("a", port))
        with pytest.raises(NotFetched):
            fetch("http://%s/photo.jpg" % host, "public")
    assert len(Site.seen) == before


class Names:
    """A resolver that answers otherwise the second time."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def __call__(self, host, port, *rest, **more):
        ips = self.answers.pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ips]


def test_a_name_is_resolved_once_and_all_its_addresses_are_checked(monkeypatch):
    names = Names(["93.184.216.34", "127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", names)
    with pytest.raises(NotFetched, match="not a public address"):
        fetch("http://rebind.example/", "public")
    assert not names.answers


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch):
    connected = []

    async def connect(host, port, **tls):
        connected.append((host, port, tls["server_hostname"]))
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", Names(["93.184.216.34"], ["127.0.0.1"]))
    monkeypatch.setattr(asyncio, "open_connection", connect)
    with pytest.raises(NotFetched):
        fetch("https://rebind.example/", "public")
    assert connected == [("93.184.216.34", 443, "rebind.example")]


def test_blocked_and_unreachable_are_answered_alike(portrait):
    with serving("--workers", 1, "--allow-urls", "public", "http://127.0.0.1:1/") as service:

        def ask(url):
            address = service.url + "/v1.0/removebg"
            answer = requests.post(address, json={"image_url": url})
            return answer.status_code, answer.text

        unreachable = ask("http://127.0.0.1:1/p.jpg")
        assert unreachable[0] == 400 and "failed_image_download" in unreachable[1]
        for url in (
            "http://127.0.0.1:%d/livez" % service.port,
            "http://127.0.0.1/",
            "http://169.254.169.254/latest/meta-data/",
            "http://[::1]/",
            "http://localhost:22/",
            "http://no-such-host.invalid/",
        ):
            assert ask(url) == unreachable
        files = {"image_file": portrait}
        answer = requests.post(
            service.url + "/v1.0/removebg", files=files, data={"bg_image_url": "http://10.0.0.1/"}
        )
        assert answer.json()["errors"][0]["code"] == "failed_bg_download"
        assert (
            requests.get(
                service.url + "/api/remove", params={"url": "http://10.0.0.1/"}
            ).status_code
            == 400
        )
        assert "meta-data" not in "".join(service.lines)


def test_photo_and_background_behind_addresses(site):
    with serving("--workers", 1, "--allow-urls", site.url) as service:
        answer = requests.post(
            service.url + "/v1.0/removebg",
            data={"image_url": site.url + "/photo.jpg", "bg_image_url": site.url + "/chunked"},
        )
        assert answer.status_code == 200 and answer.headers["Content-Type"] == "image/jpeg"
        answer = requests.get(service.url + "/api/remove", params={"url": site.url + "/photo.jpg"})
        assert answer.status_code == 200 and answer.headers["Content-Type"] == "image/png"


@pytest.mark.parametrize("slow_s", [600, 0])
def test_a_download_holds_a_place_until_it_takes_long(site, slow_s):
    with serving(
        *("--workers", 1, "--queue", 1, "--allow-urls", site.url, "--fetch-s", 120),
        constants={"admission.SLOW_S": slow_s},
    ) as service, ThreadPoolExecutor(2) as pool:

        def ask(path):
            address = {"url": site.url + path}
            return requests.get(service.url + "/api/remove", params=address).status_code

        waiting = [pool.submit(ask, "/slow") for _ in range(2)]
        try:
            wait_for(lambda: service.metric("bshm_inside" if slow_s else "bshm_aside") == 2)
            assert ask("/photo.jpg") == (429 if slow_s else 200)
        finally:
            site.slow.set()
        assert [one.result() for one in waiting] == [400, 400]
        site.slow.clear()
        wait_for(lambda: service.metric("bshm_inside") == service.metric("bshm_aside") == 0)


def test_the_next_address_of_a_name_is_tried(site, portrait, monkeypatch):
    port = site.server_address[1]
    monkeypatch.setattr(Rules, "may_connect", lambda *_: True)
    monkeypatch.setattr(socket, "getaddrinfo", Names(["127.0.0.9", "127.0.0.1"]))
    rule = "http://photos.example:%d/" % port
    assert fetch(rule + "photo.jpg", rule) == portrait
