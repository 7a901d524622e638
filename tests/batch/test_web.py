"""What is fetched, and what hostile servers do to those who fetch it."""

from __future__ import annotations

import email.utils
import importlib.util
import os
import pickle
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bshm import __version__
from bshm.batch.sources import expand
from bshm.batch.web import LIMITS, Web
from bshm.codec.decode import decode
from bshm.errors import InputError
from tests.helpers import bshm, refusal

QUICK = LIMITS._replace(connect_s=5, silence_s=5, total_s=20, backoff_s=0.001)


def fetch(web, path, **limits):
    return expand([web.url(path)], limits=QUICK._replace(**limits))[0].read()


def fetch_refused(web, path, **limits):
    return refusal(expand([web.url(path)], limits=QUICK._replace(**limits))[0])


def test_url_is_fetched_as_it_is_and_with_our_name(web):
    body = os.urandom(300_000)
    web["/x.jpg?a=b"] = lambda request: request.reply(body)
    assert fetch(web, "/x.jpg?a=b") == body
    [(_, headers, _)] = web.requests
    assert headers["User-Agent"] == "bshm/" + __version__
    assert headers["Accept-Encoding"] == "identity"


def test_credentials_in_the_address_are_used(web):
    web["/x.jpg"] = lambda request: request.reply(b"photo")
    [source] = expand([web.url("/x.jpg", "user:secret@")])
    assert source.read() == b"photo" and "secret" not in source.name
    assert web.requests[0][1]["Authorization"].startswith("Basic ")


def test_body_without_a_length(web):
    def answer(request):
        request.reply(b"photo", Content_Length=None, Connection="close")
        request.close_connection = True

    web["/x.jpg"] = answer
    assert fetch(web, "/x.jpg") == b"photo"


def test_connections_are_used_again_and_by_one_thread_at_a_time(web):
    for number in range(40):
        web["/%d.jpg" % number] = lambda request: request.reply(request.path.encode() * 1000)
    sources = expand([web.url("/%d.jpg" % number) for number in range(40)], limits=QUICK)
    assert [source.read() for source in sources[:3]] == [
        b"/%d.jpg" % number * 1000 for number in range(3)
    ]
    assert len({client for _, _, client in web.requests}) == 1
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda source: source.read(), sources))
    assert bodies == [b"/%d.jpg" % number * 1000 for number in range(40)]
    assert len({client for _, _, client in web.requests}) <= 9


def test_a_source_can_be_sent_to_another_process_after_it_was_read(web):
    web["/x.jpg"] = lambda request: request.reply(b"photo")
    [source] = expand([web.url("/x.jpg")], limits=QUICK)
    assert source.read() == pickle.loads(pickle.dumps(source)).read() == b"photo"


def test_web_page_under_a_photos_name_is_called_one(web):
    web["/x.jpg"] = lambda request: request.reply(
        b"<!DOCTYPE html><html>", Content_Type="image/jpeg"
    )
    [source] = expand([web.url("/x.jpg")], limits=QUICK)
    with pytest.raises(InputError, match="is a web page, not an image"):
        decode(source.read(), source.name)


@pytest.mark.parametrize("status", [404, 403, 410, 429])
def test_refusal_by_the_server_is_told_and_not_repeated(web, status):
    web["/x.jpg"] = lambda request: request.reply(b"no", status)
    assert "the server says HTTP %d" % status in fetch_refused(web, "/x.jpg")
    assert len(web.requests) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_temporary_trouble_is_retried(web, status):
    def answer(request):
        request.reply(b"photo", 200 if len(web.requests) == 3 else status)

    web["/x.jpg"] = answer
    assert fetch(web, "/x.jpg") == b"photo"


@pytest.mark.parametrize("status", [500, 503, 520])
def test_lasting_trouble_is_given_up(web, status):
    web["/x.jpg"] = lambda request: request.reply(b"", status)
    assert "the server says HTTP %d" % status in fetch_refused(web, "/x.jpg", retries=2)
    assert len(web.requests) == 3


@pytest.fixture
def pauses(monkeypatch):
    """What would have been slept, in seconds."""
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


def test_pauses_grow(web, pauses):
    web["/x.jpg"] = lambda request: request.reply(b"", 500)
    fetch_refused(web, "/x.jpg", backoff_s=0.5, retries=3)
    assert pauses == [0.5, 1, 2]


@pytest.mark.parametrize("status", [503, 429])
def test_a_server_that_asks_to_wait_is_heard(web, pauses, status):
    def answer(request):
        later = len(web.requests) > 1
        request.reply(b"photo", 200) if later else request.reply(b"", status, Retry_After=7)

    web["/x.jpg"] = answer
    assert fetch(web, "/x.jpg") == b"photo" and pauses == [7]


def test_a_date_to_come_back_is_heard_and_nonsense_is_not(web, pauses):
    soon = email.utils.formatdate(time.time() + 9, usegmt=True)
    web["/x.jpg"] = lambda request: request.reply(b"", 503, Retry_After=soon)
    fetch_refused(web, "/x.jpg", retries=1)
    assert 0 < pauses[0] <= 9
    web["/y.jpg"] = lambda request: request.reply(b"", 503, Retry_After="soon")
    fetch_refused(web, "/y.jpg", retries=1, backoff_s=0.25)
    assert pauses[1] == 0.25


@pytest.mark.parametrize(
    "when",
    ["Fri, 31 Dec 99999999999999999999 23:59:59 GMT", "Fri, 31 Dec 0 23:59:59 GMT", "9" * 400],
)
def test_a_pause_beyond_all_bounds_hides_no_answer(web, pauses, when):
    web["/x.jpg"] = lambda request: request.reply(b"", 503, Retry_After=when)
    assert "the server says HTTP 503" in fetch_refused(web, "/x.jpg", retries=1)


def test_what_goes_wrong_in_a_fetch_is_not_called_late(monkeypatch):
    def wrong(*_):
        raise LookupError("a fault of ours")

    monkeypatch.setattr(Web, "_fetch", wrong)
    with pytest.raises(LookupError, match="a fault of ours"):
        expand(["http://127.0.0.1/x.jpg"], limits=QUICK)[0].read()


def test_a_server_that_asks_for_too_long_a_pause_is_not_asked_again(web, pauses):
    web["/x.jpg"] = lambda request: request.reply(b"", 503, Retry_After=3600)
    said = fetch_refused(web, "/x.jpg")
    assert said.endswith("the server says HTTP 503 Service Unavailable and asks to wait 3600 s")
    assert len(web.requests) == 1 and pauses == []


@pytest.mark.parametrize("when", ["86400000", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_how_long_to_wait_is_told_as_it_came(web, pauses, when):
    web["/x.jpg"] = lambda request: request.reply(b"", 503, Retry_After=when)
    wait = when + " s" if when.isdigit() else "until " + when
    assert fetch_refused(web, "/x.jpg").endswith(" and asks to wait " + wait)


def test_a_redirect_shows_no_password(web):
    web["/x.jpg"] = lambda request: request.reply(b"", 302, Location="http://bob:s3cret@[::1/?a=pw")
    said = fetch_refused(web, "/x.jpg")
    assert "s3cret" not in said and "pw" not in said


@pytest.mark.real_command
def test_what_libraries_think_of_an_answer_is_not_said(web, tmp_path):
    def answer(request):
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nno header\r\n\r\nno photo")

    web["/x.jpg?sig=s3cret"] = answer
    done = bshm("-q", "-i", web.url("/x.jpg?sig=s3cret", "bob:pw@"), "-d", tmp_path, code=1)
    assert done.stderr.count(b"\n") == 1 and b"s3cret" not in done.stderr


def test_no_pause_goes_past_the_deadline(web, pauses):
    web["/x.jpg"] = lambda request: request.reply(b"", 503, Retry_After=25)
    assert "HTTP 503" in fetch_refused(web, "/x.jpg", total_s=20)
    assert len(web.requests) == 1 and pauses == []


class Crowd:
    """Answers only when so many requests are there at once; knows the most there ever were."""

    def __init__(self, size):
        self.barrier, self.lock, self.here, self.most = (
            threading.Barrier(size),
            threading.Lock(),
            0,
            0,
        )

    def __call__(self, request):
        with self.lock:
            self.here += 1
            self.most = max(self.most, self.here)
        self.barrier.wait(20)
        with self.lock:
            self.here -= 1
        request.reply(b"photo")


def fetch_all(addresses, **limits):
    sources = expand(addresses, limits=QUICK._replace(**limits))
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda source: source.read(), sources))


def test_one_host_is_asked_for_a_few_photos_at_once_and_no_more(web):
    crowd = Crowd(3)
    for number in range(12):
        web["/%d.jpg" % number] = crowd
    users = ("", "me:secret@")
    addresses = [web.url("/%d.jpg" % number, users[number % 2]) for number in range(12)]
    assert fetch_all(addresses, per_host=3) == [b"photo"] * 12
    assert crowd.most == 3


def test_hosts_do_not_wait_for_each_other(web):
    crowd = Crowd(6)
    for number in range(6):
        web["/%d.jpg" % number] = crowd
    addresses = [web.url("/%d.jpg" % number) for number in range(6)]
    addresses[::2] = [url.replace("127.0.0.1", "localhost") for url in addresses[::2]]
    assert fetch_all(addresses, per_host=3) == [b"photo"] * 6


@pytest.mark.real_command
def test_the_command_fetches_several_at_once(web, tmp_path):
    crowd = Crowd(LIMITS.per_host)
    for number in range(2 * LIMITS.per_host):
        web["/%d.jpg" % number] = crowd
    addresses = [web.url("/%d.jpg" % number) for number in range(2 * LIMITS.per_host)]
    done = bshm("-i", *addresses, "-d", tmp_path, code=1)
    assert crowd.most == LIMITS.per_host
    assert done.stderr.count(b": is text, not an image") == len(addresses)


def test_a_fetch_that_failed_makes_way_for_the_next(web):
    web["/x.jpg"] = lambda request: request.reply(b"", 404)
    sources = expand([web.url("/x.jpg")] * 5, limits=QUICK._replace(per_host=1))
    for source in sources:
        assert "HTTP 404" in refusal(source)


def test_dropped_connection_is_retried(web):
    def answer(request):
        if len(web.requests) < 3:
            request.close_connection = True
        else:
            request.reply(b"photo")

    web["/x.jpg"] = answer
    assert fetch(web, "/x.jpg") == b"photo"


def test_refused_connection_and_unknown_host_are_told_in_plain_words():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        address = "http://127.0.0.1:%d/x.jpg" % listening.getsockname()[1]
    [source] = expand([address], limits=QUICK._replace(retries=1))
    assert "cannot be fetched: Connection refused" in refusal(source)
    [source] = expand(["http://no-such-host.invalid/x.jpg"], limits=QUICK._replace(retries=0))
    assert "cannot be fetched" in refusal(source) and "HTTPConnectionPool" not in refusal(source)


def test_silent_server_is_given_up_and_not_asked_again(web):
    web["/x.jpg"] = lambda request: web.over.wait(20)
    assert "timed out" in fetch_refused(web, "/x.jpg", silence_s=0.5)
    assert len(web.requests) <= 1


def drip(web, request, begin):
    """A byte every now and then, always within the time-out of a read."""
    request.wfile.write(begin)
    while not web.over.wait(0.02):
        request.wfile.write(b"x")
    request.close_connection = True


@pytest.mark.parametrize(
    "begin",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Endless: "],
)
def test_slow_drip_ends_at_the_deadline(web, begin):
    web["/x.jpg"] = lambda request: drip(web, request, begin)
    assert "not there after 0.2 s" in fetch_refused(web, "/x.jpg", total_s=0.2)


def test_endless_body_ends_at_the_limit(web):
    def answer(request):
        request.reply(Content_Length=None, Connection="close")
        while not web.over.is_set():
            request.wfile.write(bytes(1 << 16))

    web["/x.jpg"] = answer
    assert "larger than the limit of 1 MB" in fetch_refused(web, "/x.jpg", body_bytes=10**6)


def test_claimed_length_is_checked_first_and_not_trusted(web):
    web["/huge.jpg"] = lambda request: request.reply(b"", Content_Length=10**15)
    assert "larger than the limit of 100 MB" in fetch_refused(web, "/huge.jpg")

    def chunked(request):
        request.reply(Content_Length=None, Transfer_Encoding="chunked")
        for _ in range(100):
            request.wfile.write(b"1000\r\n" + bytes(0x1000) + b"\r\n")
        request.wfile.write(b"0\r\n\r\n")

    web["/chunked.jpg"] = chunked
    assert fetch(web, "/chunked.jpg") == bytes(0x1000 * 100)
    assert "larger than" in fetch_refused(web, "/chunked.jpg", body_bytes=100_000)


@pytest.mark.parametrize(
    "headers, body",
    [({"Content_Length": 5000}, bytes(4999)), ({"Transfer_Encoding": "chunked"}, b"1000\r\nabc")],
)
def test_download_that_breaks_off_is_an_error(web, headers, body):
    def answer(request):
        request.reply(body, **dict({"Content_Length": None}, **headers))
        request.close_connection = True

    web["/x.jpg"] = answer
    assert "the download broke off" in fetch_refused(web, "/x.jpg")
    assert len(web.requests) == 1 + QUICK.retries


def test_redirects_are_followed_within_limits(web):
    web["/photo.jpg"] = lambda request: request.reply(b"photo")
    for hops in range(1, 7):
        to = "/photo.jpg" if hops == 1 else "/%d" % (hops - 1)
        web["/%d" % hops] = lambda request, to=to: request.reply(b"", 302, Location=to)
    assert fetch(web, "/5") == b"photo"
    assert "more than 5 redirects" in fetch_refused(web, "/6")
    web["/loop"] = lambda request: request.reply(b"", 301, Location="/loop")
    assert "more than 5 redirects" in fetch_refused(web, "/loop")


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x.jpg", "gopher://h/"])
def test_redirects_to_other_schemes_are_refused(web, to):
    web["/x.jpg"] = lambda request: request.reply(b"", 302, Location=to)
    assert "redirects to something that is not http(s)" in fetch_refused(web, "/x.jpg")


def test_a_setting_that_does_not_work_fails_the_photo_and_not_the_run(monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such.pem")
    [source] = expand(["https://127.0.0.1:1/x.jpg"], limits=QUICK)
    assert "/no/such.pem" in refusal(source)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    if not importlib.util.find_spec("socks"):
        monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
        [source] = expand(["http://example.invalid/x.jpg"], limits=QUICK)
        assert "needs the package PySocks" in refusal(source)
