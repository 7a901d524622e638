"""The service as a deployment of Ray Serve, on a real local cluster: the same contracts."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.helpers import PORTRAITS
from tests.serve.running import wait_for

pytest.importorskip("ray")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def deploy(nodes):
    """A function that deploys the service, and gives its address when it is ready."""
    from ray import serve

    port = free_port()
    # All nodes are this machine, whose port only one can have.
    serve.start("HeadOnly", {"host": "127.0.0.1", "port": port})

    def deploy(deployment):
        serve.run(deployment, name="bshm")
        url = "http://127.0.0.1:%d" % port
        wait_for(lambda: ask(url + "/readyz")[0] == 200, 500, every=0.2)
        return url

    yield deploy
    serve.shutdown()


@pytest.fixture(scope="module")
def url(deploy):
    """The address of the service, with one place for those who wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BSHM_QUEUE", "1")
        from bshm.cluster import deployment, online

        assert deployment is online.deployment  # made with the variables of the first import
        return deploy(online._deployment())


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


def test_a_replica_with_a_gpu_does_several_photos_at_once(deploy, gpu_node, monkeypatch):
    """With a GPU that Ray is only told of; the network runs on the CPU."""
    from bshm.cluster import online
    from bshm.serve import settings

    monkeypatch.setattr(settings, "GPUS", ("cpu",))
    for name, value in {"DEVICE": "cpu", "WORKERS": "2", "QUEUE": "4"}.items():
        monkeypatch.setenv("BSHM_" + name, value)
    cases = [("image_file", photo.read_bytes()) for photo in PORTRAITS]
    asked = [form(name, photo) for name, photo in [*cases, ("image_file", b"no photo")]]
    url = deploy(online._deployment())
    wait_for(lambda: b"bshm_workers 2.0" in ask(url + "/metrics")[2], 500, every=0.2)

    def once(each):
        return ask(url + "/v1.0/removebg", each[0], Content_Type=each[1])

    alone = [once(each) for each in asked]
    assert [status for status, _, _ in alone] == [200, 200, 400]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(once, asked * 2))
    assert [status for status, _, _ in together] == [200, 200, 400] * 2
    assert [answer for _, _, answer in together] == [answer for _, _, answer in alone] * 2


@pytest.mark.parametrize(
    ("variables", "workers"),
    [
        ({}, 1),
        ({"BSHM_WORKERS": "3"}, 3),
        ({"BSHM_DEVICE": "cuda"}, 4),
        ({"BSHM_DEVICE": "cuda", "BSHM_WORKERS": "8"}, 8),
    ],
)
def test_a_replica_has_one_worker_or_a_gpu_and_several(variables, workers, monkeypatch):
    from bshm.cluster import online

    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    deployment = online._deployment()._bound_deployment
    asked = deployment.ray_actor_options
    assert (asked["num_cpus"], asked["num_gpus"]) == (workers, int("BSHM_DEVICE" in variables))
    scaling = deployment._deployment_config.autoscaling_config
    assert scaling.target_ongoing_requests == 2 * workers
