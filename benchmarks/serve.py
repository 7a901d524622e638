"""Throughput, latency and overload of the service, against rembg's server, in one run.

    python benchmarks/serve.py PHOTO.jpg
    python benchmarks/serve.py PHOTO.jpg --rembg-python PYTHON --isnet FILE.onnx
    python benchmarks/serve.py PHOTO.jpg --only soak --requests 5000
    python benchmarks/serve.py PHOTO.jpg --only folder clients --workers 1 --threads 2

start: from the command to ready
folder: photos a second of the bare command on a folder, without its start
clients: requests a second and p50, p95, p99 at 1, 4, 16 and 64 clients, and, where the folder was
    measured, the share of its rate
rembg: the same against its server
overload: ten times what the service can do, by ten times as many clients as there are places;
    goodput, latency of accepted requests, time to a refusal, p99 of /livez, memory
restart: the service is told to stop and started again under load, on a socket that stays; no
    request may be lost
soak: many requests of mixed sizes; memory of all processes after the first hundred and at the end
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from io import BytesIO
from pathlib import Path
from typing import Callable, Iterator, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bshm.model.cpus import cpu_limit
from tests.helpers import COMMAND
from tests.serve.running import Service, serving, wait_for, workers_of
from tests.serve.test_socket import start as start_on

BOUNDARY = "bshm-benchmark"
SMALL, LARGE = 4, 34  # photos of the two folders whose difference in time is the rate
RESTARTS = 3
PARTS = ["start", "folder", "clients", "rembg", "overload", "restart", "soak"]
SIZES = ((640, 480), (1280, 720), (1920, 1080), (800, 1200), (1000, 1000), (2400, 1600), (333, 500))


class Server(NamedTuple):
    """Where it is asked, and the process whose time counts."""

    url: str
    pid: int


class Answer(NamedTuple):
    status: int
    seconds: float


def ask(url: str, photo: bytes) -> Answer:
    """One photo by rembg's contract, which both servers have, with the model that it needs."""
    head = "--%s\r\nContent-Disposition: form-data; name=" % BOUNDARY
    body = (head + '"model"\r\n\r\nisnet-general-use\r\n').encode()
    body += (head + '"file"; filename="p.jpg"\r\n\r\n').encode() + photo
    body += ("\r\n--%s--\r\n" % BOUNDARY).encode()
    kind = {"Content-Type": "multipart/form-data; boundary=" + BOUNDARY}
    begin = time.perf_counter()
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url + "/api/remove", body, kind), timeout=600
        ) as answer:
            answer.read()
            status = answer.status
    except urllib.error.HTTPError as error:
        error.read()
        status = error.code
    except OSError:  # no answer: the request is lost
        status = 0
    return Answer(status, time.perf_counter() - begin)


def drive(call: Callable[[], Answer], clients: int, seconds: float) -> tuple[list[Answer], float]:
    """The answers that so many clients get, each asking again at once, and how long it took."""
    end = time.perf_counter() + seconds

    def client() -> list[Answer]:
        answers = []
        while time.perf_counter() < end:
            answers.append(call())
        return answers

    begin = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        found = [one.result() for one in [pool.submit(client) for _ in range(clients)]]
    return [answer for answers in found for answer in answers], time.perf_counter() - begin


def quantiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds) or [0.0]
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return {
        name: round(ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000, 1)
        for name, share in shares.items()
    }


def report(name: str, **facts: object) -> None:
    load = [round(one, 1) for one in os.getloadavg()]
    print(json.dumps({"what": name, **facts, "load": load}), flush=True)


def measure_folder(photo: bytes) -> float:
    """Photos a second of the bare command."""
    took, worked = {}, {}
    with tempfile.TemporaryDirectory() as root:
        for count in (SMALL, LARGE):
            folder = Path(root) / str(count)
            folder.mkdir()
            for number in range(count):
                (folder / ("%d.jpg" % number)).write_bytes(photo)
            begin, before = time.perf_counter(), os.times()
            command = [*COMMAND, "-i", str(folder), "-d", str(folder / "out")]
            subprocess.run(
                command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            took[count] = time.perf_counter() - begin
            worked[count] = sum(os.times()[2:4]) - sum(before[2:4])
    rate = (LARGE - SMALL) / (took[LARGE] - took[SMALL])
    cpu = (worked[LARGE] - worked[SMALL]) / (LARGE - SMALL)
    report("folder", a_second=round(rate, 2), cpu_ms=round(cpu * 1000))
    return rate


def measure_clients(
    name: str, server: Server, photo: bytes, seconds: float, counts: list[int], folder: float = 0
) -> None:
    """A row for each number of clients. cpu_ms: of the server's processes, for one request."""
    url = server.url
    drive(lambda: ask(url, photo), 2, 2)  # the first ones load what is loaded lazily
    for clients in counts:
        before = cpu_seconds(server.pid)
        answers, took = drive(lambda: ask(url, photo), clients, seconds)
        done = [answer.seconds for answer in answers if answer.status == 200]
        cpu = (cpu_seconds(server.pid) - before) / max(1, len(done))
        report(
            name,
            clients=clients,
            a_second=round(len(done) / took, 2),
            **({"of_the_folder": round(len(done) / took / folder, 3)} if folder else {}),
            cpu_ms=round(cpu * 1000),
            refused=len(answers) - len(done),
            ms=quantiles(done),
        )


def cpu_seconds(root: int) -> float:
    """CPU seconds of a process and of all that it started, and they."""
    parents, spent = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                words = (folder / "stat").read_text().rpartition(")")[2].split()
                parents[int(folder.name)] = int(words[1])
                spent[int(folder.name)] = int(words[11]) + int(words[12])
    family, grown = set(), {root}
    while grown:
        family |= grown
        grown = {pid for pid, parent in parents.items() if parent in family} - family
    return sum(spent.get(pid, 0) for pid in family) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def all_working(*flags: object) -> Iterator[Service]:
    """A service whose workers have all started; it is ready with the first."""
    with serving(*flags) as service:
        given = dict(zip(flags[::2], flags[1::2])).get("--workers")
        count = int(str(given or 0)) or cpu_limit()
        wait_for(lambda: service.metric("bshm_workers") == count)
        yield service


def resident(service: Service) -> float:
    """MB of the service and its workers."""
    total = 0
    for pid in [service.process.pid, *workers_of(service)]:
        text = Path("/proc/%d/statm" % pid).read_text()
        total += int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return total / 1e6


def probe(url: str, seconds: float) -> list[float]:
    """Seconds that each of many /livez took."""
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        with urllib.request.urlopen(url + "/livez") as answer:
            assert answer.status == 200
        times.append(time.perf_counter() - begin)
        time.sleep(0.05)
    return times


def overload(photo: bytes, seconds: float) -> None:
    """Ten times as many clients as there are places."""
    with all_working() as service:
        calm, took = drive(lambda: ask(service.url, photo), 4, min(seconds, 20))
        before, goodput = resident(service), len(calm) / took
        clients = int(service.metric("bshm_workers")) * 9 * 10  # ten for each place
        pause, over = clients / (10 * goodput), threading.Event()

        def insist() -> Answer:
            answer = ask(service.url, photo)
            if answer.status == 429:
                over.wait(pause)  # so that all together ask ten times as often as it can do
            return answer

        # In a process of its own: the clients' threads would make it wait for each other.
        with concurrent.futures.ProcessPoolExecutor(1) as pool:
            watch = pool.submit(probe, service.url, seconds)
            answers, took = drive(insist, clients, seconds)
            probes = watch.result()
        done = [answer.seconds for answer in answers if answer.status == 200]
        refused = [answer.seconds for answer in answers if answer.status == 429]
        report(
            "overload",
            clients=clients,
            asked_a_second=round(len(answers) / took, 1),
            goodput_before=round(goodput, 2),
            goodput=round(len(done) / took, 2),
            accepted_ms=quantiles(done),
            refused=len(refused),
            refused_ms=quantiles(refused),
            others=len(answers) - len(done) - len(refused),
            livez_ms=quantiles(probes),
            mb=[round(before), round(resident(service))],
        )


def restart(photo: bytes, seconds: float) -> None:
    """What clients are answered while the service is stopped and started, again and again."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        url = "http://127.0.0.1:%d" % listening.getsockname()[1]
        service = start_on(listening)
        wait_for(lambda: ask(url, photo).status == 200)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            load = pool.submit(drive, lambda: ask(url, photo), 8, seconds * RESTARTS)
            codes = []
            for _ in range(RESTARTS):
                time.sleep(seconds / 2)
                service.send_signal(signal.SIGTERM)
                codes.append(service.wait(120))
                service = start_on(listening)
            answers, _ = load.result()
        service.kill()
        service.wait()
    counts: dict[int, int] = {}
    for answer in answers:
        counts[answer.status] = counts.get(answer.status, 0) + 1
    longest = max(answer.seconds for answer in answers)
    report(
        "restart", times=RESTARTS, exit_codes=codes, statuses=counts, longest_s=round(longest, 1)
    )


def soak(photo: bytes, count: int, arrangement: tuple) -> None:
    """Many requests of mixed sizes."""
    photos = [_resized(photo, size) for size in SIZES]
    statuses: dict[int, int] = {}
    with all_working(*arrangement) as service:
        memory = {}
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            done = 0
            while done < count:
                part = min(100, count - done)
                numbers = range(done, done + part)
                for status in pool.map(
                    lambda number: ask(service.url, photos[number % len(photos)]).status, numbers
                ):
                    statuses[status] = statuses.get(status, 0) + 1
                done += part
                if done == 100 or done % 500 == 0 or done == count:
                    memory[done] = round(resident(service))
                    report("soak", done=done, mb=memory[done])
        grown = memory[count] / memory[min(memory)] - 1
        report("soak", mb=memory, grown=round(grown, 3), statuses=statuses)


def _resized(photo: bytes, size: tuple[int, int]) -> bytes:
    from PIL import Image

    file = BytesIO()
    Image.open(BytesIO(photo)).convert("RGB").resize(size).save(file, "JPEG", quality=90)
    return file.getvalue()


def start() -> None:
    """From the command to ready, the best of five."""
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        with serving():
            times.append(time.perf_counter() - begin)
    report("start", seconds=[round(one, 2) for one in sorted(times)])


@contextlib.contextmanager
def rembg(python: str, model: Path) -> Iterator[Server]:
    """rembg's server with an IS-Net model of its own name in its own folder."""
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "isnet-general-use.onnx").symlink_to(model.resolve())
        command = [str(Path(python).parent / "rembg"), "s", "-h", "127.0.0.1", "-p", "7999"]
        process = subprocess.Popen(
            [*command, "--no-ui"],
            env={**os.environ, "U2NET_HOME": home, "MODEL_CHECKSUM_DISABLED": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(lambda: _answers("http://127.0.0.1:7999/openapi.json"), 180)
            yield Server("http://127.0.0.1:7999", process.pid)
        finally:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url):
            return True
    except OSError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("--seconds", type=float, default=30, help="a row of clients; overload: 4 x")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--requests", type=int, default=5000, help="of the soak")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--workers", type=int, default=0, help="of the service, as its flag")
    parser.add_argument("--threads", type=int, default=1, help="of the service, as its flag")
    parser.add_argument("--rembg-python", help="of an environment with rembg[cpu,cli]")
    parser.add_argument("--isnet", type=Path, help="isnet-general-use.onnx")
    args = parser.parse_args()
    photo = args.photo.read_bytes()
    if "start" in args.only:
        start()
    rate = measure_folder(photo) if "folder" in args.only else 0
    arrangement = ("--workers", args.workers, "--threads", args.threads)
    if "clients" in args.only:
        with all_working("--queue", 128, *arrangement) as service:
            name = "bshm, %g×%d" % (service.metric("bshm_workers"), args.threads)
            server = Server(service.url, service.process.pid)
            measure_clients(name, server, photo, args.seconds, args.clients, rate)
    if "rembg" in args.only and args.rembg_python and args.isnet:
        with rembg(args.rembg_python, args.isnet) as server:
            measure_clients("rembg", server, photo, args.seconds, args.clients)
    if "overload" in args.only:
        overload(photo, args.seconds * 4)
    if "restart" in args.only:
        restart(photo, args.seconds / 3)
    if "soak" in args.only:
        soak(photo, args.requests, arrangement)


if __name__ == "__main__":
    main()
