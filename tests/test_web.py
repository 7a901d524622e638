"""What is fetched, and what hostile servers do to those who fetch it."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from bshm import __version__, images
from bshm.errors import InputError
from bshm.sources import expand
from bshm.web import LIMITS

QUICK = LIMITS._replace(connect_s=5, silence_s=5, total_s=20, backoff_s=0.001)


def refusal(source):
    with pytest.raises(InputError) as caught:
        source.read()
    message = str(caught.value)
    assert message.startswith(source.name + ": ") and "\n" not in message
    return message


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


def test_web_page_under_a_photos_name_is_called_one(web):
    web["/x.jpg"] = lambda request: request.reply(
        b"<!DOCTYPE html><html>", Content_Type="image/jpeg"
    )
    [source] = expand([web.url("/x.jpg")], limits=QUICK)
    with pytest.raises(InputError, match="is a web page, not an image"):
        images.decode(source.read(), source.name)


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


def test_lasting_trouble_is_given_up(web):
    web["/x.jpg"] = lambda request: request.reply(b"", 503, Retry_After=3600)
    assert "HTTP 503" in fetch_refused(web, "/x.jpg", retries=2, retry_after_s=0.001)
    assert len(web.requests) == 3


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
    assert "timed out" in fetch_refused(web, "/x.jpg", silence_s=0.05)
    assert len(web.requests) == 1


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
