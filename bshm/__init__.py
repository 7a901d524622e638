"""bshm: cut people out of photos, with a soft alpha matte and clean edge colours.

>>> from bshm import Matting
>>> with Matting() as matting:
...     rgba = matting.cutout(rgb)      # uint8 [H, W, 3] -> uint8 [H, W, 4]

Importing this package loads nothing heavy: numpy, OpenCV and the engine come with first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bshm.errors import BshmError, DeviceError, InputError, OutputError, WeightsError

__version__ = "0.1.0"
__all__ = [
    "BshmError",
    "DeviceError",
    "InputError",
    "Matting",
    "OutputError",
    "WeightsError",
    "__version__",
]


if TYPE_CHECKING:
    from bshm.matting import Matting


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    # PEP 562: `from bshm import Matting` works, yet `import bshm` stays instant.
    if name == "Matting":
        from bshm.matting import Matting

        return Matting
    raise AttributeError("module 'bshm' has no attribute %r" % name)
