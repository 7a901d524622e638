"""Keys, rates, origins, headers, and what no answer tells."""

from __future__ import annotations

import hashlib
import re

import pytest
import requests

from bshm.serve.keys import Keys
from bshm.serve.rates import household
from bshm.serve.refusal import Refusal
from tests.helpers import ROOT, bshm
from tests.serve.running import serving, wait_for


@pytest.fixture
def ask(portrait):
    def post(service, key=None, **headers):
        if key:
            headers["X-Api-Key"] = key
        files = {"image_file": portrait}
        return requests.post(service.url + "/v1.0/removebg", files=files, headers=headers)

    return post


def test_keys_plain_or_hashed_by_either_header_and_read_again(ask, tmp_path):
    keys = tmp_path / "keys"
    hashed = hashlib.sha256(b"hashed-key").hexdigest()
    keys.write_text("# ours\nplain-key  # of the shop\n%s\n\n" % hashed)
    with serving("--workers", 1, "--keys", keys) as service:
        assert ask(service, "plain-key").status_code == 200
        assert ask(service, "hashed-key").status_code == 200
        assert ask(service, Authorization="Bearer plain-key").status_code == 200
        for wrong in (None, "plain", "plain-key ", hashed, "# ours", "ü"):
            answer = ask(service, wrong and wrong.encode("latin-1"))
            # Spaces around a header's value are not part of it.
            assert answer.status_code == (200 if wrong == "plain-key " else 403)
        assert ask(service).json()["errors"][0]["title"] == "Missing API Key"
        assert ask(service, Authorization="Basic plain-key").status_code == 403
        assert requests.get(service.url + "/v1.0/account").status_code == 403
        assert requests.get(service.url + "/api/remove").status_code == 403
        for open_path in ("/livez", "/readyz", "/metrics", "/", "/docs"):
            assert service.get(open_path)[0] == 200
        keys.write_text("another-key\n")
        assert ask(service, "plain-key").status_code == 403
        assert ask(service, "another-key").status_code == 200
        keys.unlink()
        assert ask(service, "another-key").status_code == 200
        wait_for(lambda: "file of keys cannot be read" in "".join(service.lines))
        log = "".join(service.lines)
        assert "plain-key" not in log and "another-key" not in log
        named = {line.get("key") for line in service.log()}
        assert hashlib.sha256(b"plain-key").hexdigest()[:8] in named


def test_a_hash_is_no_key_and_signs_of_comments_may_be_in_one(tmp_path, caplog):
    """Keys of 64 hex digits look like hashes: the log tells, since the client cannot know."""
    path, key = tmp_path / "keys", "0f" * 32
    path.write_text("ab#cd # ours\n#one\n\t#two\n%s\n" % key, "utf-8-sig")  # as Notepad writes
    keys = Keys(str(path))
    assert keys.name("ab#cd") == hashlib.sha256(b"ab#cd").hexdigest()[:8]
    for wrong in ("ab", "two", "#one", "f0" * 32):
        with pytest.raises(Refusal):
            keys.name(wrong)
    assert not caplog.records
    with pytest.raises(Refusal):
        keys.name(key)
    assert "taken for the SHA-256" in caplog.text and key not in caplog.text
    path.write_text(hashlib.sha256(key.encode()).hexdigest())
    assert keys.name(key)


def test_a_file_of_keys_that_is_not_there(tmp_path):
    done = bshm("serve", "--port", 0, "--keys", tmp_path / "none", code=1)
    assert b"none: cannot be read: No such file" in done.stderr


def test_rates_are_each_keys_own(ask, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("one\ntwo\n")
    with serving("--workers", 1, "--keys", keys, "--rate", 2) as service:
        first = ask(service, "one")
        assert first.headers["X-RateLimit-Limit"] == "2"
        assert first.headers["X-RateLimit-Remaining"] == "1"
        assert ask(service, "one").status_code == 200
        third = ask(service, "one")
        assert third.status_code == 429
        assert third.json()["errors"][0]["code"] == "rate_limit_exceeded"
        assert 1 <= int(third.headers["Retry-After"]) <= 30
        assert third.headers["X-RateLimit-Remaining"] == "0"
        assert third.headers["X-RateLimit-Reset"].isdigit()
        assert ask(service, "two").status_code == 200


def test_pages_of_other_origins_are_refused_unless_named(ask, service):
    for origin in ("https://evil.example", "null", service.url + "0", "http://[::1"):
        assert ask(service, Origin=origin).status_code == 403
    answer = ask(service, Origin=service.url)
    assert answer.status_code == 200 and "Access-Control-Allow-Origin" not in answer.headers
    with serving("--workers", 1, "--cors", "https://shop.example") as open_one:
        answer = ask(open_one, Origin="https://shop.example")
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        assert ask(open_one, Origin="https://evil.example").status_code == 403


def test_pictures_and_links_of_other_pages_are_refused_too(service, ask):
    url = service.url + "/api/remove?url=http://example.org/"
    foreign = requests.get(url, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403 and "other origins" in foreign.text
    assert requests.get(url, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 400
    assert ask(service, **{"Sec-Fetch-Site": "none"}).status_code == 200


def test_an_ipv6_household_is_one_caller():
    assert household("2001:db8::1") == household("2001:db8::ffff:1") == "2001:db8::/64"
    assert household("2001:db8:0:1::1") != household("2001:db8::1")
    assert household("::ffff:192.0.2.1") == "::ffff:192.0.2.1"
    assert household("192.0.2.1") == "192.0.2.1" and household("") == ""


def test_the_page_may_load_its_own_files_only(service):
    for path in ("/", "/docs"):
        answer = requests.get(service.url + path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy
        assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        found = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
        assert found and all(not re.match("[a-z]+:|//", link) for link in found)


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/../../etc/passwd",
        "/%2e%2e/settings.py",
        "/page/",
        "/v1.0/removebg/",
        "/app.py",
    ],
)
def test_what_is_not_there(service, path):
    answer = requests.get(service.url + path)
    assert answer.status_code in (404, 405)
    assert set(answer.json()) == {"errors" if path.startswith("/v1.0/") else "detail"}
    assert str(ROOT) not in answer.text


def test_no_answer_tells_of_the_machine(service, ask):
    for answer in (
        requests.post(service.url + "/v1.0/removebg", files={"image_file": b"x"}),
        requests.post(service.url + "/v1.0/removebg", json={"image_file_b64": "AAAA"}),
        requests.post(service.url + "/v1.0/removebg", data=b"\0", headers={"Content-Type": "x"}),
        requests.post(service.url + "/api/remove", files={"file": b"x"}),
        requests.delete(service.url + "/api/remove"),
    ):
        assert 400 <= answer.status_code < 500
        assert str(ROOT) not in answer.text and "Traceback" not in answer.text
        assert "site-packages" not in answer.text
        assert answer.headers["Server"] == "bshm"


def test_it_listens_at_loopback_unless_told(service):
    with open("/proc/%d/net/tcp" % service.process.pid) as file:
        listening = [line.split()[1] for line in file if line.split()[3] == "0A"]
    assert "0100007F:%04X" % service.port in listening
    assert "00000000:%04X" % service.port not in listening
    wait_for(lambda: service.get("/readyz")[0] == 200)
