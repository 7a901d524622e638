"""What can be set: each a flag of ``bshm serve`` and a variable ``BSHM_…`` of the environment."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Mapping

from bshm.errors import BshmError
from bshm.model.cpus import cpu_limit
from bshm.model.engine import GPUS
from bshm.serve import urls

MB = 1_000_000  # bytes


def _setting(default: Any, help: str, metavar: str = "N") -> Any:
    return dataclasses.field(default=default, metadata={"help": help, "metavar": metavar})


# Of these, 0 is not "no limit": with it, no photo would come through.
_ABOVE_0 = (
    *("threads", "max_body_mb", "max_pixels", "max_held_mb"),
    *("receive_s", "fetch_s", "wait_s", "work_s", "send_s"),
)


@dataclass(frozen=True)
class Settings:
    """How the service behaves. Lists are tuples; sizes have their unit in the name.

    Raises BshmError, code ``bad_setting``, whose subject is the name of the setting.
    """

    host: str = _setting("127.0.0.1", "address to listen at; 0.0.0.0 is every network", "ADDRESS")
    port: int = _setting(7000, "port to listen at; 0 takes a free one")
    workers: int = _setting(0, "worker processes, one photo each at a time; 0 is one a CPU core")
    threads: int = _setting(1, "CPU threads of one worker")
    queue: int = _setting(0, "requests that may wait for a worker; 0 is 8 a worker")
    weights: str = _setting("auto", "as of the command `bshm`", "W")
    device: str = _setting(
        "auto", "where to run: auto, cpu, or a GPU that the workers share: cuda, tensorrt", "D"
    )
    engine: str = _setting("auto", "what to run on: auto, onnx or tensorflow", "E")
    keys: str = _setting("", "file of API keys, one a line, or their SHA-256", "FILE")
    rate: int = _setting(0, "requests a minute of one key, or of one address; 0 is no limit")
    proxies: tuple[str, ...] = _setting(
        ("127.0.0.1", "::1"), "proxies whose X-Forwarded-For tells who asks: IPs, networks", "IP"
    )
    allow_urls: tuple[str, ...] = _setting(
        (), "fetch pictures from public addresses, or from those that begin with PREFIX", "PREFIX"
    )
    cors: tuple[str, ...] = _setting((), "origins whose pages may use the service", "ORIGIN")
    max_body_mb: float = _setting(32.0, "largest request", "MB")
    max_pixels: float = _setting(50.0, "largest photo", "MP")
    max_held_mb: float = _setting(512.0, "all requests and answers in the house together", "MB")
    receive_s: float = _setting(30.0, "time for the whole of a request to arrive", "SECONDS")
    fetch_s: float = _setting(15.0, "time for the whole of a picture behind an address", "SECONDS")
    wait_s: float = _setting(30.0, "longest wait for a worker", "SECONDS")
    work_s: float = _setting(60.0, "longest work on one photo; its worker is then ended", "SECONDS")
    send_s: float = _setting(60.0, "time for the whole of an answer to be taken", "SECONDS")
    drain_s: float = _setting(
        0.0, "how long to serve on, but say not ready, when told to stop", "SECONDS"
    )
    stop_s: float = _setting(60.0, "then, how long what was accepted may take", "SECONDS")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (int, float)) and not 0 <= value < 1e9:
                raise _wrong(field.name, "a number from 0", value)
        for name in _ABOVE_0:
            if not getattr(self, name):
                raise _wrong(name, "a number above 0", getattr(self, name))
        if self.port > 65535:
            raise _wrong("port", "a port from 0 to 65535", self.port)
        for word in self.proxies:
            if word != "*" and not _is_network(word):
                raise _wrong("proxies", "IPs, or networks such as 10.0.0.0/8", word)
        for word in self.cors:
            if word not in ("*", "null") and not _ORIGIN.fullmatch(word):
                raise _wrong("cors", "origins such as https://example.org, without a path", word)
        urls.Rules(self.allow_urls)

    @property
    def crew(self) -> int:
        """How many worker processes there are."""
        return self.workers or cpu_limit()

    @property
    def is_on_gpu(self) -> bool:
        """Whether a GPU was asked for: its workers share one engine, and so one GPU."""
        return self.device in GPUS

    @property
    def waiting(self) -> int:
        """How many requests may wait for a worker."""
        return self.queue or 8 * self.crew


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings that variables ``BSHM_PORT=80`` and so on make; empty ones count as unset.

    Raises BshmError, code ``bad_setting``, whose subject is the variable.
    """
    found = {}
    try:
        for field in dataclasses.fields(Settings):
            text = environment.get(_variable(field.name), "").strip()
            if text:
                found[field.name] = parse(field.name, text)
        return Settings(**found)
    except BshmError as error:
        raise BshmError(error.reason, _variable(error.subject), error.code) from error


def _variable(name: str) -> str:
    return "BSHM_" + name.upper()


def parse(name: str, text: str) -> Any:
    """The value of a setting that a text says; words of a list are apart by spaces or commas."""
    kind: Any = type(Settings.__dataclass_fields__[name].default)
    if kind is tuple:
        return tuple(text.replace(",", " ").split())
    try:
        return kind(text)
    except ValueError as error:
        raise _wrong(name, "a whole number" if kind is int else "a number", text) from error


# What browsers send as Origin: a scheme, a host and a port where it is not the scheme's own.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9._:\[\]-]+")


def _is_network(word: str) -> bool:
    try:
        ipaddress.ip_network(word)
    except ValueError:
        return False
    return True


def _wrong(name: str, expected: str, got: object) -> BshmError:
    return BshmError("expected %s, got %s" % (expected, got), name, "bad_setting")
