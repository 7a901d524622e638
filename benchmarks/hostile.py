"""Hostile requests to the running service: none may be answered 500, none may end it.

    python benchmarks/hostile.py --requests 20000

Requests are drawn by a seed: bodies of multipart, urlencoded and JSON form, mutilated; headers;
pictures of all formats, cut, flipped bit by bit, with lying sizes. Half of the fields have a value
that is one, so that not all are refused at the door. Each kind of answer is counted.
"""

from __future__ import annotations

import argparse
import base64
import collections
import contextlib
import json
import random
import re
import socket
import sys
import threading
from io import BytesIO
from pathlib import Path
from typing import Sequence

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from PIL import Image

from benchmarks.photos import PORTRAITS
from bshm.serve import rembg, removebg
from tests.serve.running import Service, serving

CLIENTS = 8  # connections at a time
# fmt: off
WORDS = [
    "true", "false", "none", "auto", "0", "-1", "1e9", "99999999999999999999", "nan", "50%", "101%",
    "10px", "%s", "%n", "../../etc/passwd", "fff", "#fff", "bluish", "0%", "'", '"', "<script>",
    "{{7*7}}", "$(id)", "blur:9", "radial:a..b", "http://127.0.0.1/", "file:///etc/passwd",
    "gopher://x", "1,2,3,4", "255,255,255,255", "zip", "webp", "jpg", "full", "999MP", "original",
    "center", "\u202e", "\ud7ff", "", "\0", "\r\n", "a" * 3000, "0 0 100% 100%", "1px 1px 2px 2px",
    "-5 -5 -5 -5",
]
# What a field may say; what is damaged then gets as far as decoders, scenes and encoders.
GOOD = {
    "size": ("full", "preview", "0.001MP"), "format": ("png", "jpg", "webp", "zip"),
    "roi": ("0% 0% 100% 100%", "1px 1px 9px 9px"), "crop": ("true",), "scale": ("10%", "100%"),
    "crop_margin": ("50%", "30px", "1px 2px 3px 4px"), "position": ("center", "0% 100%"),
    "channels": ("alpha", "rgba"), "add_shadow": ("true",), "shadow_opacity": ("0", "100"),
    "shadow_type": ("cast", "drop", "contact", "3D"), "bg_color": ("81d4fa", "fff8", "green"),
    "bg_blur": ("true", "1"), "light": ("auto", "1"), "om": ("true",), "bgc": ("1,2,3,4",),
    "type": ("person",), "model": ("u2net",),
}
# fmt: on


def pictures() -> list[bytes]:
    """Small valid photos of a person in every format, to be damaged."""
    with Image.open(PORTRAITS[0]) as portrait:
        photo = portrait.convert("RGBA").resize((48, 64))
    found = []
    for mode, format in (
        *(("RGB", "JPEG"), ("CMYK", "JPEG"), ("RGBA", "PNG"), ("P", "PNG"), ("RGB", "WEBP")),
        *(("RGB", "TIFF"), ("P", "GIF"), ("RGB", "BMP"), ("L", "TIFF"), ("I;16", "PNG")),
    ):
        file = BytesIO()
        grey = mode == "I;16"
        picture = photo.convert("L").convert("I;16") if grey else photo.convert(mode)
        picture.save(file, format)
        found.append(file.getvalue())
    return found


class Attacker:
    """Makes requests, each from its number and the seed alone."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.pictures = pictures()

    def request(self, number: int) -> bytes:
        chance = random.Random(self.seed * 1_000_003 + number)
        kind = chance.choice(
            [self.multipart, self.json, self.urlencoded] * 3 + [self.multipart, self.noise]
        )
        path, kind_of_body, body = kind(chance)
        head = [
            "%s %s HTTP/1.1" % (chance.choice(["POST"] * 60 + ["GET", "PUT", "BREW"]), path),
            "Host: x",
            "Content-Type: " + kind_of_body,
            "Connection: close",
        ]
        if chance.random() < 0.1:
            head.append(chance.choice(_HEADERS))
        if chance.random() < 0.15:
            head.append("Transfer-Encoding: chunked")
            half = chance.randrange(len(body) + 1)
            parts = [part for part in (body[:half], body[half:]) if part]
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        else:
            head.append("Content-Length: %d" % len(body))
        return "\r\n".join(head).encode("latin-1", "replace") + b"\r\n\r\n" + body

    def fields(self, chance: random.Random) -> tuple[str, dict[str, str]]:
        contract = chance.choice([removebg, removebg, rembg])
        path = "/v1.0/removebg" if contract is removebg else "/api/remove"
        names = chance.sample(list(contract.FIELDS), chance.randrange(4))
        return path, {name: chance.choice(self.words(chance, name)) for name in names}

    @staticmethod
    def words(chance: random.Random, name: str) -> Sequence[str]:
        return GOOD.get(name, WORDS) if chance.random() < 0.5 else WORDS

    def picture(self, chance: random.Random) -> bytes:
        data = bytearray(chance.choice(self.pictures))
        for _ in range(chance.choice([0, 1, 1, 3, 30])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        if chance.random() < 0.3:
            del data[chance.randrange(len(data)) :]
        if chance.random() < 0.1 and len(data) > 24:
            place = chance.randrange(len(data) - 8)
            data[place : place + 4] = chance.choice([b"\xff" * 4, b"\0\0\0\0", b"\x7f\xff\xff\xff"])
        return bytes(data)

    def multipart(self, chance: random.Random) -> tuple[str, str, bytes]:
        path, fields = self.fields(chance)
        name = "image_file" if path == "/v1.0/removebg" else "file"
        parts = [(name, self.picture(chance), '; filename="p"')]
        parts += [(key, value.encode("utf-8", "replace"), "") for key, value in fields.items()]
        if chance.random() < 0.1:
            parts.append(("bg_image_file", self.picture(chance), '; filename="b"'))
        chance.shuffle(parts)
        body = b"".join(
            b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
            % (key.encode(), more.encode(), value)
            for key, value, more in parts
        )
        return path, "multipart/form-data; boundary=b", self.maybe_cut(chance, body + b"--b--\r\n")

    def json(self, chance: random.Random) -> tuple[str, str, bytes]:
        _, fields = self.fields(chance)
        found: dict[str, object] = dict(fields)
        found["image_file_b64"] = base64.b64encode(self.picture(chance)).decode()
        if chance.random() < 0.3:
            odd = [None, 10**400, -0.0, [], {}, [[[]]], True, "\ud800"]
            found[chance.choice(list(removebg.FIELDS))] = chance.choice(odd)
        return (
            "/v1.0/removebg",
            "application/json",
            self.maybe_cut(chance, json.dumps(found).encode()),
        )

    def urlencoded(self, chance: random.Random) -> tuple[str, str, bytes]:
        from urllib.parse import quote

        path, fields = self.fields(chance)
        fields["image_file_b64"] = base64.b64encode(self.picture(chance)).decode()
        text = "&".join("%s=%s" % (k, quote(v, errors="replace")) for k, v in fields.items())
        kind = "application/x-www-form-urlencoded"
        return path, kind, self.maybe_cut(chance, text.encode())

    def noise(self, chance: random.Random) -> tuple[str, str, bytes]:
        kinds = ["multipart/form-data", "multipart/form-data; boundary=", "application/json", "x"]
        kinds += ['multipart/form-data; boundary="b', "multipart/form-data; boundary=b; charset=x"]
        path = chance.choice(["/v1.0/removebg", "/api/remove", "/v1.0/account", "/", "/docs?%00"])
        return path, chance.choice(kinds), chance.randbytes(chance.randrange(2000))

    def maybe_cut(self, chance: random.Random, body: bytes) -> bytes:
        """Now and then damaged outside of the pictures, too."""
        if chance.random() < 0.2:
            place = chance.randrange(len(body))
            return (
                body[:place] + chance.choice([b"", b"--b", b"\r\n\r\n", b"\0"]) + body[place + 3 :]
            )
        return body


_HEADERS = (
    "Transfer-Encoding: identity",
    "Content-Length: -1",
    "Content-Length: 99999999999999999999",
    "Expect: 100-continue",
    "Origin: null",
    "Authorization: Bearer \xff",
    "Range: bytes=0-",
    "Accept: application/json",
    "X-Long: " + "a" * 100_000,
    "Upgrade: websocket",
)


def ask(port: int, request: bytes) -> int:
    """The status of the answer; 0 where the connection was closed without one."""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as client:
        with contextlib.suppress(OSError):
            client.sendall(request)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            # To its end, so that its place is free then.
            for part in iter(lambda: client.recv(1 << 16), b""):
                answer += part
    statuses = [int(found) for found in re.findall(rb"HTTP/1.1 (\d+)", answer)]
    return next((status for status in statuses if status >= 200), 0)  # after "100 Continue"


def attack(
    service: Service, seed: int, count: int, first: int = 0
) -> tuple[collections.Counter, list[int]]:
    """How often each status came, and the numbers of the requests that were answered 5xx."""
    attacker, statuses, wrong = Attacker(seed), collections.Counter(), []
    numbers = iter(range(first, first + count))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            status = ask(service.port, attacker.request(number))
            with lock:
                statuses[status] += 1
                if status >= 500:
                    wrong.append(number)

    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first, for parts")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with serving("--receive-s", 5, "--max-pixels", 2, "--queue", 2 * CLIENTS) as service:
        statuses, wrong = attack(service, args.seed, args.requests, args.first)
        alive = service.get("/livez") == (200, "ok\n")
        print(json.dumps({"statuses": dict(sorted(statuses.items())), "alive": alive}))
        for line in service.lines:
            if not line.startswith("{"):
                print(line, end="", file=sys.stderr)
    if wrong:
        print("answered 5xx: requests %s of seed %d" % (wrong[:20], args.seed))
    return 1 if wrong or not alive else 0


if __name__ == "__main__":
    sys.exit(main())
