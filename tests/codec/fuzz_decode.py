"""Coverage-guided fuzzing of the decoders, for as long as it is given:

    pip install atheris
    python tests/codec/fuzz_decode.py -max_total_time=600

Flags are libFuzzer's. It begins with the files in ``corpus/``, keeps what it learns in
``.cache/fuzz`` and writes what fails to ``.cache/fuzz-crash-*``. A file that showed a fault goes
into the corpus, which the ordinary tests replay.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).parent / "corpus"
LEARNT = ROOT / ".cache" / "fuzz"
MAX_PIXELS = 1_000_000


def check(data: bytes) -> None:
    """Whatever the bytes are: a photo of valid shape, or one clear error of one line."""
    import numpy as np

    from bshm.codec.decode import decode
    from bshm.errors import InputError

    try:
        photo = decode(data, "photo", MAX_PIXELS)
    except InputError as error:
        assert str(error).startswith("photo: ") and "\n" not in str(error)
        return
    height, width, channels = photo.rgb.shape
    assert photo.rgb.dtype == np.uint8 and channels == 3 and 0 < height * width <= MAX_PIXELS
    if photo.alpha is not None:
        assert photo.alpha.dtype == np.uint8 and photo.alpha.shape == (height, width)
    assert photo.icc is None or photo.icc[36:40] == b"acsp"


def main() -> None:
    import atheris

    sys.path.insert(0, str(ROOT))
    with atheris.instrument_imports(include=["PIL", "bshm", "pillow_heif"]):
        check(b"")
        for path in sorted(CORPUS.iterdir()):  # imports every plugin
            check(path.read_bytes())
    LEARNT.mkdir(parents=True, exist_ok=True)
    folders = [str(LEARNT), str(CORPUS)]
    limits = ["-timeout=20", "-rss_limit_mb=2048", "-max_len=65536"]
    prefix = "-artifact_prefix=%s-" % LEARNT
    atheris.Setup([sys.argv[0], *limits, prefix, *sys.argv[1:], *folders], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
