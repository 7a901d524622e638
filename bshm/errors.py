"""The errors of bshm. ``str(error)`` is one line, written for the person who ran the command.

BshmError
├── InputError     a photo that cannot be read
├── OutputError    a result that cannot be written
├── WeightsError   weights that are missing, damaged, or not runnable here
└── DeviceError    a device or an engine that was asked for and is not there
"""


class BshmError(Exception):
    """Base of everything bshm raises on purpose."""


class InputError(BshmError):
    """A photo cannot be read: missing, not an image, truncated, too large, or a URL failed."""


class OutputError(BshmError):
    """A result cannot be written: read-only folder, full disk, or it would overwrite an input."""


class WeightsError(BshmError):
    """Weights are missing, damaged, or cannot run on the installed engines; a download failed."""


class DeviceError(BshmError):
    """A device or an engine was asked for by name and is not available."""


def root_cause(error: BaseException) -> str:
    """What the system said, below all that libraries wrapped around it, in one line."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(reason.split())
