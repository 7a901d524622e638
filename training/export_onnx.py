"""Wrap the network, as an ONNX graph, into the contract of matting graphs: the shipped file.

    python -m training.export_onnx network.onnx bshm/data/bshm-lite.onnx

The network (`training.export` writes it) takes ``image``, float32 [1, 3, h, w] RGB in 0..255
with h and w multiples of 64, and gives ``alpha`` [1, 1, h, w] in 0..1. The contract is
ModelScope's: ``input_image:0`` float32 [H, W, 3] of any size to ``output_png:0`` uint8 [H, W, 4].
What lies between is part of the graph, so that any program that speaks the contract can run it:

1. working size [h, w]: the photo's own where both sides are whole cells and there are not too
   many or too few of them, else what `bshm.matting.working_size` says;
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

from bshm.matting import CELL, MAX_CELLS
from bshm.model.engine import INPUT, OUTPUT

FEWEST_CELLS = 36  # photos of whole cells are taken as they are from here to MAX_CELLS
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
    work = op("Where", _fits(op, size), size, _working_size(op, floats))
    blocks = op("Round", op("Div", floats, op("Cast", work, to=TensorProto.FLOAT)))
    blocks = op("Cast", op("Max", blocks, op.float(1)), to=TensorProto.INT64)
    planes = op("Unsqueeze", op("Transpose", INPUT, perm=[2, 0, 1]), op.ints(0))
    planes = _resize(op, planes, 3, op("Mul", work, blocks))
    height, width = _parts(op, work)
    tall, wide = _parts(op, blocks)
    shape = op("Concat", op.ints(1, 3), height, tall, width, wide, axis=0)
    return size, op("ReduceMean", op("Reshape", planes, shape), axes=[3, 5], keepdims=0)


def _fits(op: _Nodes, size: str) -> str:
    """Whether the network can take the photo as it is."""
    whole = op("Equal", op("ReduceSum", op("Mod", size, op.ints(CELL)), keepdims=0), op.ints(0))
    cells = op("ReduceProd", op("Div", size, op.ints(CELL)), keepdims=0)
    enough = op("GreaterOrEqual", cells, op.ints(FEWEST_CELLS))
    return op("And", whole, op("And", enough, op("LessOrEqual", cells, op.ints(MAX_CELLS))))


def _working_size(op: _Nodes, size: str) -> str:
    """`bshm.matting.working_size` in the graph: floats [2] to int64 [2]."""
    height, width = _parts(op, size)
    every = np.arange(1, MAX_CELLS + 1, dtype=np.float32)
    rows, most = op.constant(every), op.constant(np.floor(MAX_CELLS / every))
    columns = op("Round", op("Div", op("Mul", rows, width), height))
    columns = op("Max", op("Min", columns, most), op.float(1))
    squeeze = op("Div", op("Mul", columns, height), op("Mul", rows, width))
    squeeze = op("Min", squeeze, op("Div", op.float(1), squeeze))
    merit = op("Mul", op("Mul", rows, columns), op("Pow", squeeze, op.float(3)))
    best = op("ArgMax", merit, axis=0)
    cells = op("Concat", op("Gather", rows, best), op("Gather", columns, best), axis=0)
    return op("Mul", op("Cast", cells, to=TensorProto.INT64), op.ints(CELL))


def _parts(op: _Nodes, pair: str) -> tuple[str, str]:
    """[2] to [1] and [1]."""
    return op("Slice", pair, op.ints(0), op.ints(1)), op("Slice", pair, op.ints(1), op.ints(2))


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
    # ONNX Runtime before 1.24 cannot infer the length of `shape`, and refuses the graph.
    shape = op("Reshape", shape, op.ints(4))
    return op("Resize", planes, "", "", shape, mode="linear")


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
        return self.constant(np.array(values, np.int64))

    def float(self, value: float) -> str:
        return self.constant(np.array(value, np.float32))

    def constant(self, value: np.ndarray) -> str:
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
