"""The errors of bshm: one line for people, a code for programs.

BshmError                       unexpected · out_of_memory · broken_installation · extra_missing
│     the service               bad_setting · not_listening · roi_exceeds_bounds · roi_region_empty
│     many machines             no_cluster · not_shared · other_version · worker_lost
├── InputError                  a photo cannot be read
│     its address               not_found · bad_address · no_photos · no_photos_here ·
│                               only_cutouts · own_cutout · extra_missing
│     its file                  unreadable · not_a_file · named_pipe · too_large
│     on the web                not_fetched · http_error
│     a film                    not_a_film · frames_too_large
│     its bytes                 not_an_image · unsupported_format · damaged · too_many_pixels ·
│                               out_of_memory
│     for an ID photo           nobody_found · several_people · head_cut_off · head_too_small ·
│                               body_cut_off · body_ends
├── OutputError                 a result cannot be written
│                               not_written · disk_full · too_large_for_format · too_many_bytes ·
│                               paper_too_small · would_overwrite_input · foreign_file ·
│                               bad_address · extra_missing
│     of a film                 would_overwrite_film · foreign_film · unknown_format ·
│                               other_format · not_streamable · no_number · parts_in_use ·
│                               part_damaged
├── WeightsError                weights cannot be had, or do not run here
│     by name                   weights_not_found · not_downloaded · released_missing ·
│                               not_a_hub_id · several_weights
│     as a file                 weights_damaged · conversion_damaged · embedded_damaged ·
│                               weights_unreadable · no_record · not_written
│     on an engine              needs_tensorflow · needs_onnxruntime · not_a_matting_graph ·
│                               other_weights
│     downloads, conversions    not_downloadable · no_modelscope · not_convertible
└── DeviceError                 a device or an engine cannot be had, or fails
                                unknown_device · device_missing · unknown_engine · engine_missing ·
                                engine_broken · forward_failed · closed · out_of_memory ·
                                other_process

The texts say what was given and what was expected. What to do about it depends on who asks: the
command line adds its flags by the code, a service its statuses.
"""

from __future__ import annotations

import re
from pathlib import Path

# What the systems say where memory is short: loaders, Linux, C++, Python's threads.
_NO_MEMORY = re.compile(
    "failed to map segment|annot allocate memory|bad_alloc|not enough memory|can't start new thread"
)
# At least two letters: C: is a drive.
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+:)([\s/\\]*)(.*)", re.IGNORECASE | re.DOTALL)


class BshmError(Exception):
    """Base of everything bshm raises on purpose. ``str(error)`` is one line.

    reason: what is wrong
    subject: the photo or file that it is about, or nothing where the reason says so
    code: one of those above, for programs
    """

    def __init__(self, reason: str, subject: str = "", code: str = "") -> None:
        super().__init__("%s: %s" % (subject, reason) if subject else reason)
        self.reason, self.subject, self.code = reason, subject, code


class InputError(BshmError):
    """A photo cannot be read: missing, not an image, truncated, too large, or a URL failed."""


class OutputError(BshmError):
    """A result cannot be written: read-only folder, full disk, or it would overwrite an input."""


class WeightsError(BshmError):
    """Weights are missing, damaged, or cannot run on the installed engines; a download failed."""


class DeviceError(BshmError):
    """A device or an engine was asked for by name and is not available."""


def root_of(error: BaseException) -> BaseException:
    """The error below all that libraries wrapped around it."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return error


def root_cause(error: BaseException) -> str:
    """What the system said, below all that libraries wrapped around it, in one line."""
    error = root_of(error)
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(reason.split())


def lacks_memory(error: BaseException) -> bool:
    """Whether an error, whichever kind, means that there is too little memory."""
    said = "%s %s" % (error, root_cause(error))
    return isinstance(error, MemoryError) or bool(_NO_MEMORY.search(said))


def without_secrets(address: str) -> str:
    """An address, of any scheme and however malformed, as it may be shown and logged.

    User and password are left out, of a query the keys are kept and the values are not, for those
    are often signatures. Anything else comes back as it is.
    """
    parts = _ADDRESS.fullmatch(address)
    if not parts:
        return address
    scheme, slashes, rest = parts.groups()
    host = re.match(r"[^/?#\\]*", rest).group()  # type: ignore[union-attr]
    if "@" not in host and not re.fullmatch(r"(\[.*\]|[^:]*)(:[0-9]*)?", host):
        host = rest  # no port is behind the colon, so a password with a slash may be
    rest = rest[host.rfind("@") + 1 :]
    rest, mark, _ = rest.partition("#")
    path, question, query = rest.partition("?")
    if "=" in query:
        query = re.sub("=[^&;]*", "=...", query)
    elif query:
        query = "..."
    return scheme + slashes + path + question + query + (mark and "#...")


def without_secrets_in(text: str) -> str:
    """A text with every address in it as it may be shown."""
    return re.sub(r"""[^\s'"()<>,]+""", lambda word: without_secrets(word.group()), text)


def install_extra(name: str) -> str:
    """The command that installs what an extra of this package needs, here."""
    checkout = Path(__file__).resolve().parent.parent
    if not (checkout / "setup.py").is_file():
        return "pip install 'bshm[%s]'" % name
    return "pip install '%s[%s]'" % ("." if checkout == Path.cwd() else checkout, name)
