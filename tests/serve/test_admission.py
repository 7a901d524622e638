"""Overload, slow and vanishing clients, limits, crashes, and the end."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.helpers import ROOT
from tests.serve.running import Service, frozen, serving, wait_for, workers_of


@pytest.fixture(scope="module")
def small():
    """A service of one worker with room for two more requests, and for small bodies."""
    with serving("--workers", 1, "--queue", 2, "--max-body-mb", 2, "--work-s", 120) as running:
        yield running
        assert "Traceback" not in "".join(running.lines)


def post(service, photo, **options):
    return requests.post(service.url + "/api/remove", files={"file": photo}, **options)


def inside(service):
    return service.metric("bshm_inside")


def test_when_full_the_next_is_refused_at_once_and_probes_are_answered(small, portrait):
    with ThreadPoolExecutor(3) as pool:
        with frozen(small):
            accepted = [pool.submit(post, small, portrait) for _ in range(3)]
            wait_for(lambda: inside(small) == 3)
            refused = post(small, portrait)  # it would hang here, were it not refused
            assert refused.status_code == 429
            assert int(refused.headers["Retry-After"]) >= 1
            assert "busy" in refused.json()["detail"]
            contract = requests.post(small.url + "/v1.0/removebg", files={"image_file": portrait})
            assert contract.status_code == 429 and contract.headers["Retry-After"].isdigit()
            assert contract.json()["errors"][0]["code"] == "overloaded"
            assert small.get("/livez") == (200, "ok\n")
            assert small.get("/readyz") == (200, "ok\n")
            assert small.metric("bshm_queue_length") == 2
        assert [one.result().status_code for one in accepted] == [200, 200, 200]
    wait_for(lambda: inside(small) == 0 and small.metric("bshm_held_bytes") == 0)


def connect(service):
    return socket.create_connection(("127.0.0.1", service.port), timeout=30)


def head(length, more=""):
    return (
        "POST /api/remove HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        "%s%s\r\n\r\n" % ("Content-Length: %d" % length if length else "", more)
    ).encode()


def form(photo):
    return (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="p"\r\n\r\n'
        + photo
        + b"\r\n--b--\r\n"
    )


def test_a_client_that_left_frees_its_place(small, portrait):
    with frozen(small):
        body = form(portrait)
        for _ in range(6):  # more than there are places
            with connect(small) as client:
                client.sendall(head(len(body)) + body)
                wait_for(lambda: inside(small) == 1)
            wait_for(lambda: inside(small) == 0)
    wait_for(lambda: small.metric("bshm_workers_busy") == 0)
    assert post(small, portrait).status_code == 200
    wait_for(lambda: [line["status"] for line in small.log()].count(499) == 6)


def test_slow_senders_give_way(portrait):
    at_once = {"admission.SLOW_S": 0}
    with serving("--workers", 1, "--queue", 1, "--receive-s", 120, constants=at_once) as service:
        with contextlib.ExitStack() as stack:
            for _ in range(3):  # more than there are places
                client = stack.enter_context(connect(service))
                client.sendall(head(1000) + b"--b\r\n")
            wait_for(lambda: service.metric("bshm_aside") == 3)
            assert inside(service) == 0
            assert post(service, portrait).status_code == 200
        wait_for(lambda: service.metric("bshm_aside") == 0)


@pytest.fixture(scope="module")
def hasty():
    """A service that waits for nobody and nothing."""
    soon = {"server.HEAD_S": 3}
    with serving("--workers", 1, "--receive-s", 1, "--work-s", 4, constants=soon) as running:
        yield running


def test_a_connection_that_says_nothing_is_closed(hasty):
    with connect(hasty) as client:
        client.sendall(b"GET /livez HT")
        assert client.recv(10) == b""


def test_who_does_not_send_all_is_cut_off(hasty):
    with connect(hasty) as client:
        client.sendall(head(1000) + b"--b\r\n")
        assert b" 408 " in client.recv(100)


def test_work_that_takes_too_long_is_ended(hasty, portrait):
    with frozen(hasty):
        answer = post(hasty, portrait)
        assert answer.status_code == 503 and "too long" in answer.json()["detail"]
        wait_for(lambda: hasty.metric("bshm_workers_busy") == 0)
    wait_for(lambda: post(hasty, portrait).status_code == 200)


def test_a_body_that_is_declared_too_large(small):
    with connect(small) as client:
        client.sendall(head(10_000_000_000))
        answer = b"".join(iter(lambda: client.recv(1000), b""))  # until the service hangs up
    assert b" 413 " in answer and b"limit of 2 MB" in answer


def test_a_chunked_body_that_grows_too_large(small):
    with connect(small) as client:
        client.sendall(head(0, "Transfer-Encoding: chunked"))
        answer = b""
        sender = threading.Thread(target=flood, args=(client,), daemon=True)
        sender.start()
        while b"\r\n\r\n" not in answer:
            answer += client.recv(1000)
        sender.join(30)
    assert b" 413 " in answer
    wait_for(lambda: small.metric("bshm_held_bytes") == 0)


def flood(client):
    """Send chunks until nobody takes them."""
    begin = form(b"").partition(b"--b--")[0][:-2]
    try:
        client.sendall(b"%x\r\n%s\r\n" % (len(begin), begin))
        for _ in range(300):
            client.sendall(b"10000\r\n" + b"a" * 0x10000 + b"\r\n")
    except OSError:
        pass


def test_who_sends_all_before_reading_still_hears_why(small):
    answer = post(small, b"a" * 4_000_000)
    assert answer.status_code == 413


def test_bombs_of_parts_and_fields(small):
    many = "".join(
        '--b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nx\r\n' % i for i in range(5000)
    )
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    address = small.url + "/v1.0/removebg"
    assert requests.post(address, data=many + "--b--\r\n", headers=kind).status_code == 400
    assert (
        requests.post(
            address,
            data="&".join(["a=1"] * 5000),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        ).status_code
        == 400
    )
    deep = b'{"a":' + b"[" * 100_000
    kind = {"Content-Type": "application/json"}
    wide = b'{"a":[' + b"1," * 900_000 + b"1]}"
    for bomb in (deep, wide):
        answer = requests.post(address, data=bomb, headers=kind)
        assert answer.status_code == 400 and "at most 64 fields" in answer.text


def test_a_worker_that_dies_takes_one_request_with_it(small, portrait):
    with ThreadPoolExecutor(1) as pool:
        (pid,) = workers_of(small)
        with frozen(small):
            lost = pool.submit(post, small, portrait)
            wait_for(lambda: small.metric("bshm_workers_busy") == 1)
            os.kill(pid, signal.SIGKILL)
            assert lost.result(30).status_code == 500
    assert post(small, portrait).status_code == 200
    assert workers_of(small) != [pid]


def test_a_wait_that_is_too_long_is_ended(portrait):
    with serving("--workers", 1, "--wait-s", 0.5) as service, ThreadPoolExecutor(1) as pool:
        with frozen(service):
            first = pool.submit(post, service, portrait)
            wait_for(lambda: service.metric("bshm_workers_busy") == 1)
            second = post(service, portrait)
            assert second.status_code == 503 and int(second.headers["Retry-After"]) > 0
        assert first.result().status_code == 200


def test_what_was_accepted_is_finished_when_told_to_stop(portrait):
    service = Service("--workers", 1).wait_until_ready()
    with ThreadPoolExecutor(4) as pool:
        with frozen(service):
            accepted = [pool.submit(post, service, portrait) for _ in range(4)]
            wait_for(lambda: inside(service) == 4)
            service.process.send_signal(signal.SIGTERM)
            wait_for(lambda: not listening(service))
        assert [one.result().status_code for one in accepted] == [200] * 4
    assert service.process.wait(30) == 0
    assert not workers_of(service)


def listening(service):
    try:
        with connect(service):
            return True
    except ConnectionRefusedError:
        return False


# An engine that is there only when the test lets it.
HELD = """
import os, sys
open(os.environ["HELD"]).close()
sys.path.remove(os.path.dirname(__file__))
del sys.modules["onnxruntime"]
import onnxruntime
"""


def test_it_says_when_it_is_ready_and_when_it_is_not_any_more(tmp_path):
    (tmp_path / "onnxruntime.py").write_text(HELD)
    os.mkfifo(str(tmp_path / "held"))
    held = {"PYTHONPATH": "%s:%s" % (tmp_path, ROOT), "HELD": str(tmp_path / "held")}
    service = Service("--workers", 1, "--drain-s", 600, **held)
    try:
        assert service.get("/readyz") == (503, "starting\n")
        assert service.get("/livez") == (200, "ok\n")
        (tmp_path / "held").open("w").close()
        service.wait_until_ready()
        service.process.send_signal(signal.SIGINT)
        wait_for(lambda: service.get("/readyz") == (503, "stopping\n"))
        assert service.get("/livez") == (200, "ok\n")
        assert service.stop(signal.SIGINT) == 130  # told twice, it waits no longer
    finally:
        service.close()


def test_a_killed_service_leaves_no_workers():
    service = Service("--workers", 2).wait_until_ready()
    wait_for(lambda: len(workers_of(service)) == 2)
    pids = workers_of(service)
    service.close()
    wait_for(lambda: not any(alive(pid) for pid in pids))


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_keep_alive_connections_serve_several_requests(service):
    connection = http.client.HTTPConnection("127.0.0.1", service.port)
    for _ in range(3):
        connection.request("GET", "/livez")
        assert connection.getresponse().read() == b"ok\n"
    connection.close()
