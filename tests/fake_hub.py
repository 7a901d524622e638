"""A local ModelScope hub for tests: the documented protocol, with failures that can be turned on.

>>> with FakeHub({"tf_graph.pb": b"..."}) as hub:
...     subprocess.run([...], env=hub.environment(tmp_path))

A threading server: the SDK keeps connections alive, and a single-threaded one would hang on them.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

MODEL = "damo/cv_unet_image-matting"


class FakeHub:
    """Serves one model. Change the attributes while it runs to make it fail.

    files: path -> content of the one version there is
    tags: the released versions, newest first; branch ``master`` exists beside them
    mood: "" or one of "corrupt" (same length, other bytes), "cut" (the connection ends half way),
        "lengthless" (no Content-Length), "html", "denied" (403), "broken" (500)
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.tags = ["v1.0.1", "v1.0.0"]
        self.mood = ""
        self.requests: list[str] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> FakeHub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Go down: connections are refused from now on."""
        self._server.shutdown()
        self._server.server_close()

    def fetched(self, path: str) -> int:
        """How often a file was asked for."""
        return sum("FilePath=" + path in request for request in self.requests)

    def environment(self, home: Path) -> dict[str, str]:
        """Variables that send the SDK here, and keep all that it writes under `home`."""
        address = "127.0.0.1:%d" % self.port
        return {
            **{k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")},
            "HOME": str(home),
            "MODELSCOPE_CACHE": str(home / "cache"),
            "MODELSCOPE_DOMAIN": address,  # SDKs before 1.38
            "MODELSCOPE_ENDPOINT": "http://" + address,  # and since
            "MODELSCOPE_API_MAX_RETRIES": "1",
            "MODELSCOPE_DOWNLOAD_MAX_RETRIES": "1",
            "MODELSCOPE_REPO_TREE_PAGE_MAX_ATTEMPTS": "1",
            "PYTHONPATH": str(Path(__file__).parent.parent),
        }


def _handler(hub: FakeHub) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            hub.requests.append(self.path)
            url = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            revision = query.get("Revision", "master")
            if hub.mood in ("denied", "broken"):
                self.answer({"Message": hub.mood}, 403 if hub.mood == "denied" else 500)
            elif hub.mood == "html":
                self.send(b"<html>please log in to this network</html>", "text/html")
            elif not url.path.startswith("/api/v1/models/" + MODEL):
                self.answer({"Message": "no such model"}, 404)
            elif url.path.endswith("/revisions"):
                tags = [{"Revision": tag} for tag in hub.tags]
                branches = [{"Revision": "master"}]
                self.answer({"RevisionMap": {"Branches": branches, "Tags": tags}})
            elif revision not in [*hub.tags, "master"]:
                self.answer({"Message": "no such revision"}, 404)
            elif url.path.endswith("/repo/files"):
                self.answer({"Files": [_entry(p, data) for p, data in hub.files.items()]})
            elif url.path.endswith("/repo") and query.get("FilePath") in hub.files:
                self.file(hub.files[query["FilePath"]])
            else:
                self.answer({"Message": "no such file"}, 404)

        def answer(self, data: Any, status: int = 200) -> None:
            """JSON in the hub's envelope."""
            whole = {"Code": status, "Success": status == 200, "Data": data}
            whole["Message"] = data.get("Message", "")
            self.send(json.dumps(whole).encode(), "application/json", status)

        def send(self, body: bytes, kind: str, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def file(self, body: bytes) -> None:
            """A file from the byte asked for on, in the hub's mood."""
            start = int(self.headers.get("Range", "bytes=0-")[len("bytes=") :].split("-")[0])
            self.send_response(206 if start else 200)
            if start:
                span = "bytes %d-%d/%d" % (start, len(body) - 1, len(body))
                self.send_header("Content-Range", span)
            if hub.mood != "lengthless":
                self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            if hub.mood == "corrupt":
                body = bytes(byte ^ 1 for byte in body)
            if hub.mood == "cut":
                body = body[: start + (len(body) - start) // 2]
            self.wfile.write(body[start:])
            if hub.mood in ("cut", "lengthless"):
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Quiet: pytest shows what fails."""

    return Handler


def _entry(path: str, data: bytes) -> dict[str, Any]:
    return {
        "Type": "blob",
        "Name": path.rsplit("/", 1)[-1],
        "Path": path,
        "Revision": "0123456789abcdef0123456789abcdef01234567",
        "Sha256": hashlib.sha256(data).hexdigest(),
        "Size": len(data),
    }
