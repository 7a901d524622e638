"""Workers that share one engine, as on a GPU: photos go through it together, each by itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from multiprocessing import AuthenticationError, current_process
from multiprocessing.connection import Client, Listener
from pickle import PicklingError

import numpy as np
import pytest
import requests
from PIL import Image

from bshm.errors import BshmError, DeviceError
from bshm.matting import AlphaMatting
from bshm.model import engine as engines
from bshm.serve import crew as crew_module
from bshm.serve.crew import Crew
from bshm.serve.making import fulfil
from bshm.serve.order import Made, Order
from bshm.serve.refusal import Refusal
from bshm.serve.settings import Settings
from bshm.serve.shared import Gone, Host, SharedEngine
from bshm.serve.worker import Outfit
from tests.helpers import PORTRAITS
from tests.serve.running import serving, wait_for, workers_of
from tests.serve.test_admission import alive

LONG_S = 120  # seconds that a busy machine is given
OUTFIT = Outfit("bshm-lite", "cpu", "onnx", 1)


@pytest.fixture
def hosted(monkeypatch):
    """A function that hosts an engine in a thread and gives its address."""
    with contextlib.ExitStack() as stack:

        def host(engine):
            monkeypatch.setattr(engines, "start", lambda *_: engine)
            listener = Listener(authkey=current_process().authkey)
            stack.callback(listener.close)
            threading.Thread(target=_serve, args=(listener,), daemon=True).start()
            return listener.address

        yield host


def _serve(listener):
    with contextlib.suppress(OSError):  # closed, at the end
        Host().serve(listener)


class Together:
    """An engine that answers when so many photos are in it, and counts how many are."""

    device, note = "cpu", ""

    def __init__(self, count):
        self.barrier = threading.Barrier(count)
        self.lock, self.inside, self.most = threading.Lock(), 0, 0

    def alpha(self, rgb):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.barrier.wait(LONG_S)
        with self.lock:
            self.inside -= 1
        if rgb.min() == 254:
            raise ZeroDivisionError
        if rgb.min() == 255:
            raise DeviceError("the graph failed", code="forward_failed")
        return rgb[..., 0] / np.float32(255)


def connected(address):
    return SharedEngine(address).start("onnx", "x.onnx", "cpu", 1)


def plain(level):
    return np.full((2, 3, 3), level, np.uint8)


def test_photos_of_several_workers_are_in_the_engine_together_and_fail_alone(hosted):
    engine = Together(4)
    workers = [connected(address) for address in [hosted(engine)] * 4]

    def ask(number):
        try:
            return workers[number].alpha(plain((10, 20, 255, 30)[number]))[0, 0]
        except BshmError as error:
            return error.code

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(4)))
    assert answers == [np.float32(n) / 255 if n else "forward_failed" for n in (10, 20, 0, 30)]
    assert engine.most == 4
    for worker in workers:
        worker.close()


def test_a_lone_photo_waits_for_no_others(hosted):
    address = hosted(Together(1))
    first, other = connected(address), connected(address)  # who is connected, but asks nothing
    assert first.alpha(plain(51))[0, 0] == np.float32(0.2)
    first.close()
    assert other.alpha(plain(51))[0, 0] == np.float32(0.2)
    other.close()


def test_what_the_engine_cannot_do_at_the_start_is_said(hosted, monkeypatch):
    address = hosted(None)

    def fails(*_):
        raise DeviceError("cuda does not work here", code="device_missing")

    monkeypatch.setattr(engines, "start", fails)
    with pytest.raises(DeviceError, match="cuda does not work here"):
        connected(address)


def test_an_engine_that_meets_what_it_should_not_hangs_up(hosted, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda _: None)  # it is told there
    worker = connected(hosted(Together(1)))
    with pytest.raises(Gone):
        worker.alpha(plain(254))
    worker.close()


def test_an_answer_that_memory_is_too_small_for_is_not_taken_for_the_next_photos(
    hosted, monkeypatch
):
    worker = connected(hosted(Together(1)))

    def receive(*_):
        raise MemoryError

    monkeypatch.setattr(worker.pipe, "recv_bytes", receive)
    with pytest.raises(Gone):  # which ends the worker
        worker.alpha(plain(51))
    worker.close()


def test_who_has_not_the_services_key_gets_nothing(hosted):
    address = hosted(Together(1))
    with pytest.raises(AuthenticationError):
        Client(address, authkey=b"another")
    worker = connected(address)
    assert worker.alpha(plain(51))[0, 0] == np.float32(0.2)
    worker.close()


@contextlib.asynccontextmanager
async def crew_of(count):
    """Workers that share an engine on the CPU, all of them ready."""
    crew = Crew(count, OUTFIT, LONG_S, shares=True)
    crew.launch()
    try:
        await crew.ready()
        await until(lambda: crew.working == count)
        yield crew
    finally:
        crew.stop()


async def until(true):
    await asyncio.get_running_loop().run_in_executor(None, wait_for, true)


async def made(crew, order):
    """What is made of an order; a refusal, or an error, as it is."""
    try:
        return await crew.work(await crew.turn(LONG_S), order)
    except (Refusal, BshmError) as error:
        return error


def orders():
    """Orders of several sizes, and a file that is no photo."""
    for number, (width, height) in enumerate([(300, 200), (97, 131), (200, 300)]):
        file = BytesIO()
        portrait = Image.open(str(PORTRAITS[number % 2])).convert("RGB")
        portrait.resize((width, height)).save(file, "PNG")
        yield Order(file.getvalue(), 10**6)
    yield Order(b"no photo", 10**6)


def test_orders_done_at_once_are_those_done_one_after_the_other():
    with AlphaMatting(weights="bshm-lite", device="cpu", engine="onnx", threads=1) as matting:
        alone = [fulfil(order, matting).data for order in list(orders())[:3]]

    async def together():
        async with crew_of(2) as crew:
            return await asyncio.gather(*(made(crew, order) for order in [*orders(), *orders()]))

    done = asyncio.run(together())
    for answers in (done[:4], done[4:]):
        assert [answer.data for answer in answers[:3]] == alone
        assert answers[3].code == "not_an_image"


def handed_over(crew):
    """The workers that are given an order from now on, as soon as they have it."""
    given = []
    for one in crew._workers:

        def answer(within_s, one=one, before=one._answer):
            given.append(one)
            return before(within_s)

        one._answer = answer
    return given


def test_workers_and_engine_that_die_are_replaced_and_cost_only_what_they_worked_on():
    [order, *_] = orders()

    async def story():
        async with crew_of(2) as crew:
            engine = crew._shared._child
            before = await made(crew, order)
            # The engine dies with photos of both in it: both are refused.
            pid = engine.process.pid
            os.kill(pid, signal.SIGSTOP)
            given = handed_over(crew)
            lost = [asyncio.ensure_future(made(crew, order)) for _ in range(2)]
            await until(lambda: len(given) == 2)
            os.kill(pid, signal.SIGKILL)
            refused = await asyncio.gather(*lost)
            assert [each.code for each in refused] == ["worker_died"] * 2
            # It dies with nobody in it: those who were connected end, and nobody notices.
            await until(lambda: crew.working == 2)
            pids = [each.process.pid for each in crew._workers]
            os.kill(engine.process.pid, signal.SIGKILL)
            await until(lambda: not any(each.is_there for each in crew._workers))
            answers = await asyncio.gather(*(made(crew, order) for _ in range(3)))
            assert [each.data for each in answers] == [before.data] * 3
            await until(lambda: crew.working == 2)
            assert not {each.process.pid for each in crew._workers} & set(pids)

    asyncio.run(story())


def test_no_worker_is_lost_where_an_order_does_not_get_through(monkeypatch):
    """As where memory is short in the midst of sending it, and then of starting the worker."""
    monkeypatch.setattr(crew_module, "AGAIN_S", 0)
    [order, *_] = orders()

    async def story():
        async with crew_of(1) as crew:
            [one] = crew._workers
            start, pid = one.start, one.process.pid

            def start_with_trouble():
                one.start = start
                raise MemoryError

            one.start = start_with_trouble
            with pytest.raises((PicklingError, AttributeError)):
                await crew.work(await crew.turn(LONG_S), Order(lambda: None, 10**6))
            assert isinstance(await made(crew, order), Made)
            assert one.start is start and one.process.pid != pid and crew.working == 1

    asyncio.run(story())


def test_the_service_has_one_engine_for_all_where_it_is_on_a_gpu(portrait):
    """The real command, with the CPU for a GPU."""
    as_on_gpu = {"settings.GPUS": ["cpu"]}
    with serving("--device", "cpu", "--workers", 2, constants=as_on_gpu) as service:
        wait_for(lambda: service.metric("bshm_workers") == 2)
        pids = workers_of(service)
        assert len(pids) == 3
        answer = requests.post(service.url + "/api/remove", files={"file": portrait})
        assert answer.status_code == 200
    wait_for(lambda: not any(alive(pid) for pid in pids))


@pytest.mark.parametrize("device, shares", [("cpu", False), ("auto", False), ("cuda", True)])
def test_workers_share_an_engine_where_a_gpu_is_asked_for(device, shares):
    assert Settings(device=device).is_on_gpu is shares
