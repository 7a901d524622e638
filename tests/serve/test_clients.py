"""Clients as they are published, pointed at the service."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import pytest
import requests
from PIL import Image

from tests.serve.running import serving

NPM_CLIENT = "remove.bg@1.3.0"
# What the official command sends for a PNG: every field, those not set empty, and a zip.
OFFICIAL = Path(__file__).parent / "removebg_cli_request.txt"


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    """A service that asks for a key, for clients send one."""
    keys = tmp_path_factory.mktemp("keys") / "keys.txt"
    keys.write_text("secret-of-the-clients\n")
    with serving("--keys", keys) as running:
        yield running


@pytest.fixture
def photo(tmp_path, portrait):
    path = tmp_path / "photo.jpg"
    path.write_bytes(portrait)
    return path


@pytest.fixture
def client(locked, monkeypatch):
    """PyPI's client, whose address is a constant of its module."""
    removebg = pytest.importorskip("removebg.removebg")
    monkeypatch.setattr(removebg, "API_ENDPOINT", locked.url + "/v1.0/removebg")
    return removebg.RemoveBg


def test_pypi_client_with_a_file(client, photo):
    client("secret-of-the-clients", os.devnull).remove_background_from_img_file(
        str(photo), size="4k", bg_color="red"
    )
    made = Image.open(str(photo) + "_no_bg.png")
    assert made.size == (600, 400)
    assert made.convert("RGB").getpixel((0, 0))[0] > 240


def test_pypi_client_with_base64(client, photo, tmp_path):
    out = tmp_path / "out.png"
    client("secret-of-the-clients", os.devnull).remove_background_from_base64_img(
        base64.b64encode(photo.read_bytes()), new_file_name=str(out)
    )
    assert Image.open(str(out)).mode == "RGBA"


def test_pypi_client_with_a_wrong_key(client, photo):
    with pytest.raises(requests.HTTPError, match="403"):
        client("wrong", os.devnull).remove_background_from_img_file(str(photo))


@pytest.fixture(scope="module")
def npm_client(tmp_path_factory):
    """A folder with npm's client in it."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed: its client was not tried")
    folder = tmp_path_factory.mktemp("npm")
    (folder / "package.json").write_text("{}")
    subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", NPM_CLIENT],
        cwd=str(folder),
        check=True,
        timeout=300,
    )
    return folder


def npm(folder, service, function, **options):
    """Call npm's client, whose address is written into it; what it answers, or its errors."""
    source = folder / "node_modules" / "remove.bg" / "dist" / "index.js"
    text = source.read_text().replace("https://api.remove.bg", service.url)
    source.with_name("local.js").write_text(text)
    script = (
        "require('remove.bg/dist/local.js')[process.argv[1]](JSON.parse(process.argv[2])).then("
        "a => console.log(JSON.stringify({answer: a})),"
        "e => console.log(JSON.stringify({errors: e})))"
    )
    done = subprocess.run(
        ["node", "-e", script, function, json.dumps(options)],
        cwd=str(folder),
        stdout=subprocess.PIPE,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout)


def test_npm_client_with_a_file(npm_client, locked, photo, tmp_path):
    out = tmp_path / "out.png"
    told = npm(
        npm_client,
        locked,
        "removeBackgroundFromImageFile",
        path=str(photo),
        apiKey="secret-of-the-clients",
        size="regular",
        outputFile=str(out),
    )["answer"]
    assert Image.open(str(out)).mode == "RGBA"
    assert told["detectedType"] == "person" and int(told["resultWidth"]) > 500


def test_npm_client_with_base64(npm_client, locked, photo):
    told = npm(
        npm_client,
        locked,
        "removeBackgroundFromImageBase64",
        base64img=base64.b64encode(photo.read_bytes()).decode(),
        apiKey="secret-of-the-clients",
        crop=True,
        bg_color="fff",
    )["answer"]
    assert Image.open(BytesIO(base64.b64decode(told["base64img"]))).format == "JPEG"


def test_npm_client_is_told_what_is_wrong(npm_client, locked):
    told = npm(
        npm_client,
        locked,
        "removeBackgroundFromImageUrl",
        url="http://example.org/p.jpg",
        apiKey="secret-of-the-clients",
    )["errors"]
    assert told[0]["code"] == "invalid_image_url"


def test_official_command(service, portrait):
    text = OFFICIAL.read_text("utf-8")
    boundary = text.partition("boundary=")[2].partition("\n")[0]
    head, tail = text.partition("\n\n")[2].split("{photo}\n")
    body = (head + "{photo}").replace("\n", "\r\n").encode().replace(b"{photo}", portrait)
    body += ("\n" + tail).replace("\n", "\r\n").encode()
    answer = requests.post(
        service.url + "/v1.0/removebg",
        data=body,
        headers={"Content-Type": "multipart/form-data; boundary=" + boundary},
    )
    assert answer.status_code == 200, answer.content[:300]
    assert answer.headers["Content-Type"] == "application/zip"
    for name in ("X-Credits-Charged", "X-Width", "X-Height"):
        assert answer.headers[name].isdigit()


def curl(*words, **options):
    if not shutil.which("curl"):
        pytest.skip("curl is not installed: its lines were not tried")
    return subprocess.run(["curl", "-sS", *words], check=True, timeout=120, **options)


def test_curl_as_rembg_has_it(service, photo, tmp_path):
    out = tmp_path / "out.png"
    curl("-s", "-F", "file=@%s" % photo, service.url + "/api/remove", "-o", str(out))
    assert Image.open(str(out)).mode == "RGBA"


def test_curl_as_removebg_has_it(locked, photo, tmp_path):
    out = tmp_path / "no-bg.png"
    curl(
        *("-H", "X-API-Key: secret-of-the-clients"),
        *("-F", "image_file=@%s" % photo),
        *("-F", "size=auto", "-f", locked.url + "/v1.0/removebg", "-o", str(out)),
    )
    assert Image.open(str(out)).size == (600, 400)
