"""``bshm serve``: the HTTP service and its page."""

from __future__ import annotations

import dataclasses
import gc
import importlib.util
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from bshm.cli import flags, signals, terminal
from bshm.errors import BshmError, install_extra

if TYPE_CHECKING:
    from bshm.serve.settings import Settings

PACKAGES = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")

DESCRIPTION = """\
Cut people out over HTTP: the contracts of rembg's server (/api/remove) and of remove.bg
(/v1.0/removebg), and a page at /. The API is described at /docs; /livez, /readyz and /metrics are
for whoever runs it. Every flag has a variable: --allow-urls is BSHM_ALLOW_URLS.
"""
EPILOG = """\
examples:
  bshm serve                                        http://127.0.0.1:7000
  bshm serve --host 0.0.0.0 --keys keys.txt --rate 60
  bshm serve --allow-urls public
  curl -F file=@photo.jpg http://127.0.0.1:7000/api/remove -o cutout.png
  curl -F image_file=@photo.jpg -F size=full -F bg_color=fff \\
      http://127.0.0.1:7000/v1.0/removebg -o white.jpg
"""


def run(arguments: list[str]) -> int:
    missing = [name for name in PACKAGES if not importlib.util.find_spec(name)]
    if sys.version_info < (3, 10) or missing:
        raise BshmError(
            "the service needs Python 3.10 or newer and: " + install_extra("serve"),
            code="extra_missing",
        )
    from bshm.serve.crew import Crew
    from bshm.serve.worker import Outfit

    settings = _read(arguments)
    _log_to_stderr()
    outfit = Outfit(settings.weights, settings.device, settings.engine, settings.threads)
    crew = Crew(settings.crew, outfit, settings.work_s, settings.is_on_gpu)
    crew.launch()  # a worker loads while we do
    gc.disable()  # what modules make stays; to look for waste in it takes a tenth of the time
    try:
        terminal.check_installation()
        from bshm.serve.server import serve
    finally:
        gc.freeze()
        gc.enable()
    told = serve(settings, crew, lambda address: terminal.say("listening at " + address))
    return signals.INTERRUPTED if told == signal.SIGINT else terminal.OK


def _read(arguments: list[str]) -> Settings:
    """What flags and environment make. Ends the command where one of them makes no sense."""
    from bshm.serve.settings import Settings, from_environment

    parser = flags.parser("serve", DESCRIPTION, epilog=EPILOG)
    try:
        defaults = from_environment(os.environ)
    except BshmError as error:
        parser.error(str(error))
    for field in dataclasses.fields(defaults):
        default = getattr(defaults, field.name)
        shown = " ".join(default) if isinstance(default, tuple) else str(default)
        several = isinstance(default, tuple)
        parser.add_argument(
            "--" + field.name.replace("_", "-"),
            nargs="+" if several else None,
            type=str if several else type(default),
            default=default,
            metavar=field.metadata["metavar"],
            help="%s (default: %s)" % (field.metadata["help"], shown or "none"),
        )
    given = vars(parser.parse_args(arguments)).items()
    values: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in given}
    try:
        return Settings(**values)
    except BshmError as error:
        parser.error("--%s: %s" % (error.subject.replace("_", "-"), error.reason))


def _log_to_stderr() -> None:
    """Access lines as they are, JSON; others with the name of the program."""
    for name, form in (("bshm.serve.access", "%(message)s"), ("bshm", "bshm: %(message)s")):
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.setLevel(min(logger.level or logging.INFO, logging.INFO))
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(form))
        logger.handlers[:] = [handler]
    # What clients do wrong is told them, and no reason to fill the log.
    for name in ("uvicorn", "python_multipart"):
        logging.getLogger(name).setLevel(logging.ERROR)
