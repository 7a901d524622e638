"""Shared fixtures: valid files of every format, and a local web server."""

from __future__ import annotations

import compileall
import signal
import threading
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from tests.helpers import ROOT

EXIF_TURNED = b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"

# Name of the case -> (Pillow mode, Pillow format, options of Image.save)
CASES = {
    "jpeg": ("RGB", "JPEG", {"exif": EXIF_TURNED}),
    "jpeg-progressive": ("RGB", "JPEG", {"progressive": True}),
    "jpeg-grey": ("L", "JPEG", {}),
    "jpeg-cmyk": ("CMYK", "JPEG", {}),
    "png": ("RGB", "PNG", {"exif": EXIF_TURNED}),
    "png-rgba": ("RGBA", "PNG", {}),
    "png-palette": ("P", "PNG", {"transparency": 3}),
    "png-bits": ("1", "PNG", {}),
    "webp": ("RGB", "WEBP", {}),
    "webp-lossless": ("RGBA", "WEBP", {"lossless": True}),
    "bmp": ("RGB", "BMP", {}),
    "tiff": ("RGB", "TIFF", {}),
    "tiff-lzw": ("RGB", "TIFF", {"compression": "tiff_lzw"}),
    "tiff-jpeg": ("RGB", "TIFF", {"compression": "jpeg"}),
    "gif": ("P", "GIF", {}),
    "avif": ("RGB", "AVIF", {}),
    "heic": ("RGB", "HEIF", {}),
}

ValidFile = namedtuple("ValidFile", "name format data")


def pytest_configure(config):
    """Hundreds of commands run: they find bytecode also where PYTHONDONTWRITEBYTECODE is set."""
    if not hasattr(config, "workerinput"):  # which the processes of -n have
        compileall.compile_dir(str(ROOT / "bshm"), quiet=2)


def pytest_collection_modifyitems(items):
    """The folders whose files take longest begin first: none is left for the end with -n."""
    longest = ("cluster", "serve", "cli", "video")

    def turn(item):
        folder = Path(item.nodeid).parts[1]
        return longest.index(folder) if folder in longest else len(longest)

    items.sort(key=turn)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With -n, the tests of a file run in one process, which has their fixtures, and so do all
    those of the cluster.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            return "cluster" if "/cluster/" in file else file

    config.option.loadscopereorder = False  # by size; here, in the order above
    return ByFile(config, log)


@pytest.fixture(scope="session", autouse=True)
def no_released_weights(tmp_path_factory):
    """What the developer has in the ModelScope cache changes no test, nor do the commands run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODELSCOPE_CACHE", str(tmp_path_factory.mktemp("modelscope")))
        yield


@pytest.fixture(scope="session", autouse=True)
def signals_arrive():
    """Commands inherit what is ignored: by nohup SIGHUP, in the background of a script SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def pixels():
    """A small picture, uint8 [24, 40, 3]: flat, sloped and noisy parts, no symmetry."""
    picture = np.full((24, 40, 3), 120, np.uint8)
    picture[:12, 20:] = np.linspace(0, 255, 20).astype(np.uint8)[None, :, None]
    picture[12:, :20] = np.random.RandomState(7).randint(0, 256, (12, 20, 3))
    picture[:4, :6] = (250, 20, 40)
    return picture


@pytest.fixture(scope="session", params=sorted(CASES))
def valid_file(request, pixels):
    """A sound file of each format, by turns: its case, its format and its bytes."""
    mode, kind, options = CASES[request.param]
    if kind == "AVIF" and not ("avif" in features.modules and features.check("avif")):
        pytest.skip("this Pillow has no AVIF")
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    picture = Image.fromarray(np.dstack([pixels, pixels[..., 0]])).convert(mode)
    file = BytesIO()
    picture.save(file, kind, **options)
    return ValidFile(
        request.param, {"HEIF": "HEIC", "WEBP": "WebP"}.get(kind, kind), file.getvalue()
    )


class Web:
    """A server on the loopback interface that answers as it is told.

    ``web[path] = answer``: ``answer(request)`` is called with a BaseHTTPRequestHandler. What
    lasts should stop when ``web.over`` is set. ``web.requests`` has (path, headers, client).
    """

    def __init__(self):
        self.answers, self.requests, self.over = {}, [], threading.Event()
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                web.requests.append((self.path, self.headers, self.client_address))
                try:
                    web.answers[self.path](self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True  # the client has heard enough

            def reply(self, body=b"", status=200, **headers):
                self.send_response(status)
                headers.setdefault("Content_Length", len(body))
                for name, value in headers.items():
                    if value is not None:
                        self.send_header(name.replace("_", "-"), str(value))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))

    def __setitem__(self, path, answer):
        self.answers[path] = answer

    def url(self, path, credentials=""):
        return "http://%s127.0.0.1:%d%s" % (credentials, self.server.server_port, path)


@pytest.fixture
def web(monkeypatch):
    """A real local server; see :class:`Web`."""
    monkeypatch.setenv("no_proxy", "*")
    web = Web()
    web.thread.start()
    yield web
    web.over.set()
    web.server.shutdown()
    web.server.server_close()
    web.thread.join()


@pytest.fixture(scope="session")
def s3_server():
    """The address of a server of S3's protocol on the loopback interface."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://%s:%d" % server.get_host_and_port()
    server.stop()


@pytest.fixture
def bucket(s3_server, monkeypatch):
    """An empty bucket: a file system of fsspec, for whose address the commands find the server."""
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("no_proxy", "*")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    files = fsspec.filesystem("s3", use_listings_cache=False)
    if files.exists("photos"):
        files.rm("photos", recursive=True)
    files.mkdir("photos")
    return files
