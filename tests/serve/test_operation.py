"""What who runs it sees: settings, logs, metrics, the page of the API."""

from __future__ import annotations

import json
import os
import socket

import pytest
import requests

from bshm.errors import BshmError
from bshm.serve.settings import Settings, from_environment
from tests.helpers import bshm, refused
from tests.serve.running import serving, wait_for


def test_settings_of_the_environment():
    found = from_environment({"BSHM_PORT": "80", "BSHM_ALLOW_URLS": "public, http://a/", "X": "1"})
    assert (found.port, found.allow_urls) == (80, ("public", "http://a/"))
    assert from_environment({"BSHM_PORT": ""}) == Settings()


@pytest.mark.parametrize(
    "name, value", [("PORT", "http"), ("PORT", "70000"), ("WORKERS", "-1"), ("MAX_PIXELS", "nan")]
)
def test_settings_of_another_type(name, value):
    with pytest.raises(BshmError, match="^BSHM_%s: expected" % name):
        from_environment({"BSHM_" + name: value})


@pytest.mark.parametrize(
    "flag, values, expected",
    [
        ("--port", [99999], "a port from 0 to 65535, got 99999"),
        ("--rate", [-1], "a number from 0, got -1"),
        ("--max-pixels", [0], "a number above 0"),
        ("--wait-s", [0], "a number above 0"),
        ("--proxies", ["127.0.0.1", "foo"], "IPs, or networks such as 10.0.0.0/8, got foo"),
        ("--proxies", ["10.0.0.0/99"], "got 10.0.0.0/99"),
        ("--proxies", ["10.0.0.1/8"], "got 10.0.0.1/8"),
        ("--cors", ["https://a.example", "example.org/"], "without a path, got example.org/"),
        ("--cors", ["https://a.example/"], "got https://a.example/"),
        ("--allow-urls", ["somewhere"], "public or a prefix"),
    ],
)
def test_settings_that_cannot_be_are_wrong_usage(flag, values, expected):
    last = refused("serve", flag, *values).splitlines()[-1]
    assert "%s: expected " % flag in last and expected in last


def test_lists_of_settings():
    words = ("127.0.0.1", "::1", "10.0.0.0/8", "fd00::/8", "*")
    origins = ("http://localhost:3000", "https://[::1]:8", "moz-extension://a-b", "null", "*")
    found = Settings(proxies=words, cors=origins)
    assert (found.proxies, found.cors) == (words, origins)


def test_a_variable_that_cannot_be_is_wrong_usage():
    done = bshm("serve", env={**os.environ, "BSHM_PORT": "abc"}, code=2)
    assert b"error: BSHM_PORT: expected a whole number, got abc" in done.stderr


def test_flags_go_before_the_environment(portrait):
    with serving("--workers", 1, BSHM_WORKERS="2", BSHM_MAX_PIXELS="0.1") as service:
        assert service.metric("bshm_workers") == 1
        answer = requests.post(service.url + "/api/remove", files={"file": portrait})
        assert answer.status_code == 400 and "over the limit of 0.1" in answer.text


def test_every_setting_is_in_the_help():
    text = bshm("serve", "--help").stdout.decode()
    for name in Settings.__dataclass_fields__:
        assert "--" + name.replace("_", "-") in text


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = bshm("serve", "--port", taken.getsockname()[1], code=1)
    assert b"cannot be listened at: Address already in use" in done.stderr


def test_weights_that_are_not_there():
    done = bshm("serve", "--port", 0, "--weights", "none.onnx", code=1)
    assert b"none.onnx" in done.stderr


def test_metrics_count_what_happened(service, portrait):
    ok = 'bshm_requests_total{endpoint="rembg",status="200"}'
    before = service.metric(ok)
    pixels = service.metric("bshm_pixels_total")
    requests.post(service.url + "/api/remove", files={"file": portrait})
    requests.post(service.url + "/api/remove", files={"file": b"x"})
    wait_for(lambda: service.metric('bshm_requests_total{endpoint="rembg",status="400"}') >= 1)
    assert service.metric(ok) == before + 1
    assert service.metric("bshm_pixels_total") == pixels + 600 * 400
    assert service.metric('bshm_refused_total{code="not_an_image"}') >= 1
    for stage in ("read", "forward", "refine", "foreground", "write"):
        assert service.metric('bshm_stage_seconds_count{stage="%s"}' % stage) >= 1
    assert service.metric("bshm_queue_wait_seconds_count") >= 1


def told(service):
    """Lines of the access log about this contract."""
    return [line for line in service.log() if line["path"] == "/v1.0/removebg"]


def test_access_lines_are_json_without_secrets(service, portrait):
    before = len(told(service))
    requests.post(
        service.url + "/v1.0/removebg?token=in-the-query",
        files={"image_file": portrait},
        headers={"X-Api-Key": "in-a-header"},
    )
    wait_for(lambda: len(told(service)) > before)
    line = told(service)[-1]
    assert {"time", "client", "method", "status", "ms", "in", "out", "wait_ms"} <= set(line)
    assert "in-the-query" not in "".join(service.lines)
    assert "in-a-header" not in "".join(service.lines)
    assert all(line["path"] not in ("/livez", "/readyz", "/metrics") for line in service.log())


def test_the_api_is_described(service):
    found = json.loads(service.get("/openapi.json")[1])
    assert set(found["paths"]) == {
        *("/v1.0/removebg", "/v1.0/account", "/api/remove", "/livez", "/readyz", "/metrics"),
    }
    body = found["paths"]["/v1.0/removebg"]["post"]["requestBody"]["content"]
    assert set(body) == {
        *("multipart/form-data", "application/x-www-form-urlencoded", "application/json"),
    }
    fields = body["multipart/form-data"]["schema"]["properties"]
    assert {"image_file", "size", "roi", "bg_image_file", "shadow_type"} <= set(fields)


def test_the_description_is_openapi(service):
    found = json.loads(service.get("/openapi.json")[1])
    assert found["openapi"] == "3.1.0" and found["info"]["version"]
    for methods in found["paths"].values():
        for operation in methods.values():
            assert operation["description"] and operation["responses"]
            for status, answer in operation["responses"].items():
                assert status.isdigit() and answer["description"]


def test_the_description_is_of_what_is_served(service):
    """Each endpoint is there by its method, and no refusal is described that nobody gives."""
    text = service.get("/openapi.json")[1]
    assert "HTTPValidationError" not in text  # FastAPI's own, which never comes
    paths, seen = json.loads(text)["paths"], set()
    for path, methods in paths.items():
        for method, operation in methods.items():
            answer = requests.request(method, service.url + path)
            assert str(answer.status_code) in operation["responses"]
            seen.add(operation["operationId"])
    assert len(seen) == sum(map(len, paths.values()))


def test_keys_are_described(service):
    found = json.loads(service.get("/openapi.json")[1])
    schemes = found["components"]["securitySchemes"]
    assert schemes["key"]["name"] == "X-Api-Key" and schemes["bearer"]["scheme"] == "bearer"
    for path in ("/v1.0/removebg", "/api/remove"):
        security = found["paths"][path]["post"]["security"]
        assert all(one in security for one in ({"key": []}, {"bearer": []}, {}))


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/"])
def test_probes_may_ask_for_heads_alone(service, path):
    answer = requests.head(service.url + path)
    assert answer.status_code == 200 and not answer.content
    length = len(requests.get(service.url + path).content)
    assert int(answer.headers["Content-Length"]) == length


@pytest.mark.parametrize(
    "method, path, methods",
    [
        ("DELETE", "/api/remove", "GET, HEAD, POST"),
        ("PUT", "/v1.0/removebg", "POST"),
        ("GET", "/v1.0/removebg", "POST"),
        ("POST", "/livez", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
        ("OPTIONS", "/openapi.json", "GET, HEAD"),
    ],
)
def test_another_method_is_told_which_there_are(service, method, path, methods):
    answer = requests.request(method, service.url + path)
    assert answer.status_code == 405
    if path.startswith("/v1.0/"):
        (error,) = answer.json()["errors"]
        assert (error["code"], error["title"]) == ("method_not_allowed", "Method Not Allowed")
    else:
        assert answer.json() == {"detail": "Method Not Allowed"}
    assert answer.headers["Allow"] == methods


def test_a_fault_is_told_in_the_contracts_words_and_logged(portrait):
    """Where the contracts' tables are broken, for no request is known that meets a fault."""
    broken = {"removebg.FORMATS": None, "rembg.NUMBERS": None}
    with serving("--workers", 1, constants=broken) as service:
        for path, name in (("/v1.0/removebg", "image_file"), ("/api/remove", "file")):
            answer = requests.post(service.url + path, files={name: portrait})
            assert answer.status_code == 500 and "Traceback" not in answer.text
            told = answer.json()
            reason = told["errors"][0]["title"] if "errors" in told else told["detail"]
            assert ("errors" in told) == (path == "/v1.0/removebg")
            assert reason == "an unexpected error; the log of the service has more"
        wait_for(lambda: len(service.log()) == 2)
        assert "".join(service.lines).count("a request met an unexpected error") == 2
        assert service.metric("bshm_inside") == 0
