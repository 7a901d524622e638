"""Build the frozen TensorFlow graph from the shipped ONNX file, operation by operation.

    python3.7 -m training.export_tf bshm/data/bshm-lite.onnx bshm/data/bshm-lite.pb

Runs on Python 3.7 with TensorFlow 1.15.5 and ``onnx<1.15``, so that the graph holds nothing newer
than the ModelScope image understands. The network is read from the ONNX graph (what lies between
its tensors ``image`` and ``alpha``) and built in TensorFlow's own layout, [N, h, w, C]; what
`training.export_onnx` puts around it is built here again, the same way, in TensorFlow's operations.
Weights stay float16 in the file.

The network's maps have even sizes wherever it strides (the working size is whole cells of
64 × 64), so TensorFlow's "SAME" padding is known beforehand and used where the ONNX pads equal it.
"""

from __future__ import annotations

import argparse

import numpy as np
import onnx
import tensorflow as tf
from onnx import helper, numpy_helper

from bshm.matting import CELL, MAX_CELLS
from bshm.model.engine import INPUT, OUTPUT
from training.export_onnx import FEWEST_CELLS, SMALL

tf1 = tf.compat.v1
AXES = {0: 0, 1: 3, 2: 1, 3: 2, -1: 2, -2: 1, -3: 3, -4: 0}  # from [N, C, h, w] to [N, h, w, C]


def build(model: onnx.ModelProto) -> tf1.GraphDef:
    """Frozen graph of the contract in `bshm.model.engine` with the ONNX model's network."""
    with tf.Graph().as_default() as graph:
        name, _, _ = INPUT.partition(":")
        photo = tf1.placeholder(tf.float32, [None, None, 3], name=name)
        size = tf.shape(photo)[:2]
        alpha = Network(model.graph)(_image(photo, size))
        alpha = tf1.image.resize_bilinear(alpha, size, half_pixel_centers=True)[0] * 255.0
        rgba = tf.clip_by_value(tf.round(tf.concat([photo, alpha], 2)), 0.0, 255.0)
        name, _, _ = OUTPUT.partition(":")
        tf.cast(rgba, tf.uint8, name=name)
        return graph.as_graph_def()


def _image(photo: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Photo [H, W, 3] to the network's image [1, h, w, 3]: export_onnx's steps 1 and 2."""
    floats = tf.cast(size, tf.float32)
    cells = tf.reduce_prod(size // CELL)
    whole = tf.equal(tf.reduce_sum(size % CELL), 0)
    fits = tf.reduce_all([whole, cells >= FEWEST_CELLS, cells <= MAX_CELLS])
    work = tf1.where(fits, size, _working_size(floats[0], floats[1]))
    blocks = tf.cast(tf.maximum(tf.round(floats / tf.cast(work, tf.float32)), 1.0), tf.int32)
    planes = tf1.image.resize_bilinear(
        tf.expand_dims(photo, 0), work * blocks, half_pixel_centers=True
    )
    shape = tf.stack([1, work[0], blocks[0], work[1], blocks[1], 3])
    return tf.reduce_mean(tf.reshape(planes, shape), [2, 4])


def _working_size(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """`bshm.matting.working_size` in the graph: int32 [2]."""
    rows = tf.constant(np.arange(1, MAX_CELLS + 1, dtype=np.float32))
    columns = tf.round(rows * width / height)
    columns = tf.maximum(tf.minimum(columns, tf.floor(MAX_CELLS / rows)), 1.0)
    squeeze = columns * height / (rows * width)
    merit = rows * columns * tf.pow(tf.minimum(squeeze, 1.0 / squeeze), 3.0)
    best = tf.argmax(merit)
    return tf.cast(tf.stack([tf.gather(rows, best), tf.gather(columns, best)]), tf.int32) * CELL


class Network:
    """The ONNX graph between ``image`` and ``alpha``, built in [N, h, w, C] when called."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        self.producers = {name: node for node in graph.node for name in node.output}

    def __call__(self, image: tf.Tensor) -> tf.Tensor:
        self.tensors = {"image": image}
        return self.tensor("alpha")

    def tensor(self, name: str) -> tf.Tensor:
        """The tensor of that ONNX name, with everything it comes from."""
        # Deep graphs: a stack of names to build instead of recursion.
        waiting = [name]
        while waiting:
            node = self.producers[waiting[-1]]
            missing = [i for i in node.input if i in self.producers and not self.known(i)]
            waiting.extend(missing)
            if not missing:
                waiting.pop()
                self.tensors[node.output[0]] = self.operation(node)
        return self.tensors[name]

    def known(self, name: str) -> bool:
        return name in self.tensors or self.constant(name) is not None

    def constant(self, name: str) -> np.ndarray | None:
        """Value of an initialiser, of a cast of one, or of a Constant node; else None."""
        if name in self.constants:
            return self.constants[name]
        node = self.producers.get(name)
        if node is not None and node.op_type == "Constant":
            return numpy_helper.to_array(_attributes(node)["value"])
        if node is not None and node.op_type == "Cast" and node.input[0] in self.constants:
            return self.constants[node.input[0]].astype(np.float32)
        return None

    def operation(self, node: onnx.NodeProto) -> tf.Tensor:
        attributes = _attributes(node)
        kind = node.op_type
        if kind == "Conv":
            return self.convolution(node, attributes)
        if kind in BINARY:
            return BINARY[kind](self.operand(node.input[0]), self.operand(node.input[1]))
        x = self.tensors.get(node.input[0])
        if kind in UNARY:
            return UNARY[kind](x)
        if kind == "Clip":
            low, high = (float(self.constant(name)) for name in node.input[1:])
            return tf.nn.relu6(x) if (low, high) == (0, 6) else tf.clip_by_value(x, low, high)
        if kind == "Concat":
            return tf.concat([self.tensors[name] for name in node.input], AXES[attributes["axis"]])
        if kind == "Softmax":
            _expect(node, AXES[attributes.get("axis", -1)] == 3)
            return tf.nn.softmax(x)
        if kind == "ReduceMean":
            axes = attributes["axes"] if "axes" in attributes else self.constant(node.input[1])
            return tf.reduce_mean(x, [AXES[axis] for axis in axes], keepdims=True)
        if kind == "AveragePool":
            kernel, strides = attributes["kernel_shape"], attributes["strides"]
            _expect(node, not any(attributes.get("pads", [0])))
            return tf.nn.avg_pool2d(x, kernel, strides, "VALID")
        if kind == "Slice":
            return self.slice(node, x)
        if kind == "Shape":
            return tf.gather(tf.shape(x, out_type=tf.int64), [0, 3, 1, 2])
        if kind == "Gather":
            return tf.gather(x, int(self.constant(node.input[1])))
        if kind == "Resize":
            return self.resize(node, x, attributes)
        raise ValueError("no translation for the ONNX operation %s (%s)" % (kind, node.name))

    def operand(self, name: str) -> tf.Tensor:
        """Tensor or constant of an elementwise operation, broadcast as in [N, h, w, C]."""
        value = self.constant(name)
        if value is None:
            return self.tensors[name]
        if value.size == 1:
            return tf.constant(value.reshape(()))
        return tf.constant(
            value.reshape((1,) * (4 - value.ndim) + value.shape).transpose(0, 2, 3, 1)
        )

    def convolution(self, node: onnx.NodeProto, attributes: dict) -> tf.Tensor:
        x, weights = self.tensors[node.input[0]], self.constant(node.input[1])
        groups, strides = attributes.get("group", 1), attributes.get("strides", [1, 1])
        height, width = weights.shape[2:]
        top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
        _expect(node, all(d == 1 for d in attributes.get("dilations", [1])))
        padding = "SAME"
        if ((top, bottom), (left, right)) != (_same(height, strides[0]), _same(width, strides[1])):
            padding = "VALID"
            if any((top, left, bottom, right)):
                x = tf.pad(x, [[0, 0], [top, bottom], [left, right], [0, 0]])
        steps = [1, *strides, 1]
        if groups == 1:
            y = tf.nn.conv2d(x, _stored(weights.transpose(2, 3, 1, 0)), steps, padding)
        else:
            _expect(node, groups == weights.shape[0] and weights.shape[1] == 1)
            kernel = _stored(weights.transpose(2, 3, 0, 1))
            y = tf.nn.depthwise_conv2d(x, kernel, steps, padding)
        if len(node.input) > 2:
            y = tf.nn.bias_add(y, _stored(self.constant(node.input[2])))
        return y

    def slice(self, node: onnx.NodeProto, x: tf.Tensor) -> tf.Tensor:
        """Channels from a constant to another, or rows from a number to another."""
        axis = AXES[int(self.constant(node.input[3]))]
        _expect(node, axis in (1, 3))
        start, end = (self.operand(name) for name in node.input[1:3])
        return x[:, start:end] if axis == 1 else x[..., start:end]

    def resize(self, node: onnx.NodeProto, x: tf.Tensor, attributes: dict) -> tf.Tensor:
        scales = self.constant(node.input[2]) if len(node.input) > 2 else None
        _expect(node, scales is not None and scales.size == 4 and all(scales == np.round(scales)))
        _expect(node, attributes.get("mode") == b"linear")
        centres = attributes.get("coordinate_transformation_mode", b"half_pixel")
        _expect(node, centres in (b"half_pixel", b"pytorch_half_pixel"))
        size = tf.shape(x)[1:3] * scales[2:].astype(np.int32)
        return tf1.image.resize_bilinear(x, size, half_pixel_centers=True)


BINARY = {
    "Add": tf.add,
    "Sub": tf.subtract,
    "Mul": tf.multiply,
    "Div": lambda x, y: x // y if x.dtype.is_integer else x / y,
}
UNARY = {
    "Identity": tf.identity,
    "Unsqueeze": tf.identity,  # of numbers, which are scalars here, not arrays of one
    "Relu": tf.nn.relu,
    "Sigmoid": tf.sigmoid,
    "GlobalAveragePool": lambda x: tf.reduce_mean(x, [1, 2], keepdims=True),
}


def _stored(values: np.ndarray) -> tf.Tensor:
    """Constant that takes two bytes a value in the file, where training.export_onnx does so too."""
    if values.size < SMALL:
        return tf.constant(values)
    half = values.astype(np.float16)
    # The translation must not round what the ONNX file holds exactly.
    if not np.array_equal(half.astype(np.float32), values):
        return tf.constant(values)
    proto = tf1.make_tensor_proto(half[:0])
    proto.tensor_shape.CopyFrom(tf.TensorShape(half.shape).as_proto())
    proto.tensor_content = half.tobytes()  # by itself it writes float16 as integers, a half more
    return tf.cast(tf.constant(proto), tf.float32)


def _same(kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's "SAME" padding before and after, for sizes that the stride divides."""
    total = max(kernel - stride, 0)
    return total // 2, total - total // 2


def _attributes(node: onnx.NodeProto) -> dict:
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def _expect(node: onnx.NodeProto, condition: bool) -> None:
    if not condition:
        raise ValueError("no translation for this form of %s: %s" % (node.op_type, node))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("onnx", help="ONNX file, as training.export_onnx writes it")
    parser.add_argument("output", help="GraphDef file to write")
    arguments = parser.parse_args()
    with open(arguments.output, "wb") as file:
        file.write(build(onnx.load(arguments.onnx)).SerializeToString())


if __name__ == "__main__":
    main()
