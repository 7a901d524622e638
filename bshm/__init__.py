"""bshm: cut people out of photos, with a soft alpha matte and clean edge colours.

>>> import bshm
>>> bshm.cutout("photo.jpg").save("cutout.png")
>>> with bshm.Matting(threads=2) as matting:
...     cut = matting.cutout("photo.jpg")

Importing this package loads nothing heavy: numpy, OpenCV and the engine come with first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bshm.errors import BshmError, DeviceError, InputError, OutputError, WeightsError

__version__ = "0.1.0"
__all__ = [
    "BshmError",
    "Composite",
    "Cutout",
    "DeviceError",
    "InputError",
    "Matting",
    "OutputError",
    "Photo",
    "Recipe",
    "WeightsError",
    "__version__",
    "cutout",
    "decode",
    "finish",
    "render",
]

# Name -> the module that has it, imported with first use: `import bshm` stays instant.
_LAZY = {
    "Composite": "bshm.cutouts.cutout",
    "Cutout": "bshm.cutouts.cutout",
    "Matting": "bshm.api",
    "Photo": "bshm.pictures",
    "Recipe": "bshm.pipeline",
    "cutout": "bshm.api",
    "decode": "bshm.codec.decode",
    "finish": "bshm.pipeline",
    "render": "bshm.pipeline",
}

if TYPE_CHECKING:
    from bshm.api import Matting, cutout
    from bshm.codec.decode import decode
    from bshm.cutouts.cutout import Composite, Cutout
    from bshm.pictures import Photo
    from bshm.pipeline import Recipe, finish, render


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:  # PEP 562
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError("module 'bshm' has no attribute %r" % name)
