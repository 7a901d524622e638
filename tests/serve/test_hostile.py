"""A few hundred hostile requests; `benchmarks/hostile.py` sends many more of them."""

from __future__ import annotations

import struct
from io import BytesIO

from PIL import Image

from benchmarks.hostile import ask, attack
from tests.serve.running import serving


def tiff_of_33_planes():
    """Of which Pillow says something by its logger, too."""
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "TIFF")
    planes, lie = (struct.pack("<HHIHH", 277, 3, 1, count, 0) for count in (3, 33))
    assert planes in file.getvalue()
    return file.getvalue().replace(planes, lie)


def posted(photo):
    head = "POST /v1.0/removebg HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n"
    body = b'--b\r\nContent-Disposition: form-data; name="image_file"; filename="p"\r\n\r\n'
    body += photo + b"\r\n--b--\r\n"
    kind = "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    return (head % len(body) + kind).encode() + body


def test_none_is_answered_500_and_none_ends_the_service():
    patient = ("--wait-s", 600, "--work-s", 600)  # else a busy machine would answer 503
    with serving("--receive-s", 1, "--max-pixels", 2, "--queue", 16, *patient) as service:
        statuses, wrong = attack(service, seed=7, count=300)
        assert not wrong and sum(statuses.values()) == 300
        assert statuses[400] > 50 and statuses[200]
        assert ask(service.port, posted(tiff_of_33_planes())) == 400
        assert service.get("/livez") == (200, "ok\n")
        assert all(line.startswith("{") for line in service.lines[1:])  # and fills no log
