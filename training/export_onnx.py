"""Wrap the network, as an ONNX graph, into the contract of matting graphs: the shipped file.

    python -m training.export_onnx network.onnx bshm/data/bshm-lite.onnx

The network (`training.export` writes it) takes ``image``, float32 [1, 3, h, w] RGB in 0..255
with h and w multiples of 64, and gives ``alpha`` [1, 1, h, w] in 0..1. The contract is
ModelScope's: ``input_image:0`` float32 [H, W, 3] of any size to ``output_png:0`` uint8 [H, W, 4].
What lies between is part of the graph, so that any program that speaks the contract can run it:

1. working size [h, w]: the photo's own where it fits (see `fits` below), else about AREA pixels
   of the photo's aspect ratio;
2. resize: bilinear, half-pixel centres, to the whole multiple [kh·h, kw·w] nearest to [H, W], then
   the mean of every kh×kw block. Close to area averaging, free of aliases, and made of operations
   that every framework computes alike; the identity where the photo has the working size;
3. the network; 4. alpha back to [H, W], bilinear, and beside the colours that came in.

Weights are stored as float16, at half the size, and cast to float32 when the graph is loaded.
"""

from __future__ import annotations

import argparse
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bshm.engines import INPUT, OUTPUT

AREA = 640 * 640  # pixels the network works at
MULTIPLE = 64  # its coarsest features are at 1/64 of the working size
LONGEST = 2560  # longest side: photos longer than 16:1 are squeezed
FIT = (0.4 * AREA, 1.5 * AREA)  # area of a photo that is taken as it is
# 16:9 falls on a tie between two working sizes; the nudge makes every framework round it alike.
ROUNDING = 0.5 + 1e-3
SMALL = 64  # tensors of fewer elements (biases, shapes) stay as they are


def simplify(core: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with constants folded and padding inside convolutions: starts faster."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = folder + "/simple.onnx"
        onnxruntime.InferenceSession(
            core.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return onnx.load(options.optimized_model_filepath)


def wrap(core: onnx.ModelProto) -> onnx.ModelProto:
    """The network's graph (see the module) inside the contract's."""
    graph = core.graph
    if [i.name for i in graph.input] != ["image"] or [o.name for o in graph.output] != ["alpha"]:
        raise ValueError(
            "the network's graph must take 'image' and give 'alpha', not %s and %s"
            % ([i.name for i in graph.input], [o.name for o in graph.output])
        )
    before, after = _Nodes("before/"), _Nodes("after/")
    size, image = _image(before)
    before("Identity", image, out="image")
    _png(after, size)
    weights, casts = _half(graph.initializer)
    opset = next(o.version for o in core.opset_import if o.domain in ("", "ai.onnx"))
    model = helper.make_model(
        helper.make_graph(
            [*casts, *before.nodes, *graph.node, *after.nodes],
            "bshm-lite",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["H", "W", 3])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.UINT8, ["H", "W", 4])],
            [*weights, *before.constants, *after.constants],
        ),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=8,  # what onnxruntime 1.14 reads
        producer_name="bshm",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _image(op: _Nodes) -> tuple[str, str]:
    """From the input to [H, W] and the network's image [1, 3, h, w]; see the module, 1 and 2."""
    size = op("Slice", op("Shape", INPUT), op.ints(0), op.ints(2))
    floats = op("Cast", size, to=TensorProto.FLOAT)
    area = op("ReduceProd", floats, keepdims=0)
    # fits: both sides multiples of MULTIPLE, none too long, and the area about right.
    fits = op("Equal", _total(op, op("Mod", size, op.ints(MULTIPLE))), op.ints(0))
    short = op("LessOrEqual", op("ReduceMax", floats, keepdims=0), op.float(LONGEST))
    large = op("GreaterOrEqual", area, op.float(FIT[0]))
    small = op("LessOrEqual", area, op.float(FIT[1]))
    fits = op("And", op("And", fits, short), op("And", large, small))

    scale = op("Sqrt", op("Div", op.float(AREA), area))
    steps = op("Div", op("Mul", floats, scale), op.float(MULTIPLE))
    steps = op("Floor", op("Add", steps, op.float(ROUNDING)))
    steps = op("Clip", steps, op.float(1), op.float(LONGEST // MULTIPLE))
    other = op("Mul", op("Cast", steps, to=TensorProto.INT64), op.ints(MULTIPLE))
    work = op("Where", fits, size, other)

    blocks = op("Round", op("Div", floats, op("Cast", work, to=TensorProto.FLOAT)))
    blocks = op("Cast", op("Max", blocks, op.float(1)), to=TensorProto.INT64)
    planes = op("Unsqueeze", op("Transpose", INPUT, perm=[2, 0, 1]), op.ints(0))
    planes = _resize(op, planes, 3, op("Mul", work, blocks))
    height, width = (
        op("Slice", work, op.ints(0), op.ints(1)),
        op("Slice", work, op.ints(1), op.ints(2)),
    )
    tall, wide = (
        op("Slice", blocks, op.ints(0), op.ints(1)),
        op("Slice", blocks, op.ints(1), op.ints(2)),
    )
    shape = op("Concat", op.ints(1, 3), height, tall, width, wide, axis=0)
    return size, op("ReduceMean", op("Reshape", planes, shape), axes=[3, 5], keepdims=0)


def _png(op: _Nodes, size: str) -> None:
    """From the network's alpha [1, 1, h, w] to the output; see the module, 4."""
    alpha = op("Mul", _resize(op, "alpha", 1, size), op.float(255))
    alpha = op("Reshape", alpha, op("Concat", size, op.ints(1), axis=0))
    rgba = op("Concat", INPUT, alpha, axis=2)
    rgba = op("Clip", op("Round", rgba), op.float(0), op.float(255))
    op("Cast", rgba, to=TensorProto.UINT8, out=OUTPUT)


def _resize(op: _Nodes, planes: str, channels: int, size: str) -> str:
    """[1, channels, ., .] to [1, channels, *size], bilinear, half-pixel centres."""
    shape = op("Concat", op.ints(1, channels), size, axis=0)
    return op("Resize", planes, "", "", shape, mode="linear")


def _total(op: _Nodes, values: str) -> str:
    return op("ReduceSum", values, keepdims=0)


def _half(tensors) -> tuple[list, list]:
    """Initialisers with the large ones as float16, and the casts that bring them back."""
    weights, casts = [], []
    for tensor in tensors:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < SMALL:
            weights.append(tensor)
            continue
        weights.append(numpy_helper.from_array(values.astype(np.float16), tensor.name + "/half"))
        casts.append(
            helper.make_node("Cast", [tensor.name + "/half"], [tensor.name], to=TensorProto.FLOAT)
        )
    return weights, casts


class _Nodes:
    """Nodes and constants under one prefix; calling it adds a node and gives its output's name."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list = []
        self.constants: list = []

    def __call__(self, kind: str, *inputs: str, out: str = "", **attributes) -> str:
        out = out or "%s%s_%d" % (self.prefix, kind, len(self.nodes))
        self.nodes.append(helper.make_node(kind, list(inputs), [out], name=out, **attributes))
        return out

    def ints(self, *values: int) -> str:
        return self._constant(np.array(values, np.int64))

    def float(self, value: float) -> str:
        return self._constant(np.array(value, np.float32))

    def _constant(self, value: np.ndarray) -> str:
        name = "%sconstant_%d" % (self.prefix, len(self.constants))
        self.constants.append(numpy_helper.from_array(value, name))
        return name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", help="ONNX file of the network alone")
    parser.add_argument("output", help="ONNX file to write")
    arguments = parser.parse_args()
    onnx.save(wrap(simplify(onnx.load(arguments.network))), arguments.output)


if __name__ == "__main__":
    main()
