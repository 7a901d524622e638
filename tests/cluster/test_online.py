"""The service as a deployment of Ray Serve, on a real local cluster: the same contracts."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request

import pytest

from tests.helpers import PORTRAITS
from tests.serve.running import wait_for

pytest.importorskip("ray")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def url(nodes):
    """The address of the service, ready, with one place for those who wait."""
    from ray import serve

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BSHM_QUEUE", "1")
        from bshm.cluster import deployment

        port = free_port()
        # All nodes are this machine, whose port only one can have.
        serve.start("HeadOnly", {"host": "127.0.0.1", "port": port})
        serve.run(deployment, name="bshm")
        url = "http://127.0.0.1:%d" % port
        wait_for(lambda: ask(url + "/readyz")[0] == 200, 500)
        yield url
        serve.shutdown()


def ask(url, data=None, **headers):
    """Status, headers and body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data, named)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()
    except urllib.error.URLError:
        return 0, {}, b""


def form(name, photo):
    """The body and the type of a form with one file."""
    head = '--b\r\nContent-Disposition: form-data; name="%s"; filename="x.png"\r\n\r\n' % name
    return head.encode() + photo + b"\r\n--b--\r\n", "multipart/form-data; boundary=b"


def test_both_contracts_answer_as_the_service_does(url):
    photo = PORTRAITS[0].read_bytes()
    body, kind = form("file", photo)
    status, headers, answer = ask(url + "/api/remove", body, Content_Type=kind)
    assert status == 200 and answer.startswith(b"\x89PNG")
    assert headers["X-Content-Type-Options"] == "nosniff"
    body, kind = form("image_file", photo)
    status, headers, answer = ask(url + "/v1.0/removebg", body, Content_Type=kind)
    assert status == 200 and headers["X-Width"] and answer.startswith(b"\x89PNG")
    status, _, answer = ask(url + "/v1.0/removebg", b"", Content_Type=kind)
    assert status == 400 and json.loads(answer)["errors"]
    assert ask(url + "/")[0] == 200 and b"bshm_" in ask(url + "/metrics")[2]


def test_who_comes_when_the_house_is_full_is_refused_in_the_contracts_words(url):
    body, kind = form("image_file", PORTRAITS[0].read_bytes())
    answers = []

    def once():
        answers.append(ask(url + "/v1.0/removebg", body, Content_Type=kind))

    threads = [threading.Thread(target=once) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {status for status, _, _ in answers} == {200, 429}
    for status, headers, answer in answers:
        if status == 429:
            assert json.loads(answer)["errors"] and int(headers["Retry-After"]) >= 1
