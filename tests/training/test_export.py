"""Export: what is wrapped around the network, and its translation to TensorFlow."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

has_ort = importlib.util.find_spec("onnxruntime") is not None
has_tensorflow = importlib.util.find_spec("tensorflow") is not None
needs_ort = pytest.mark.skipif(not has_ort, reason="the package onnxruntime is not installed")
needs_tensorflow = pytest.mark.skipif(
    not has_tensorflow, reason="the package tensorflow is not installed"
)


def network() -> onnx.ModelProto:
    """A network of all the operations ours has: image [1, 3, h, w] -> alpha [1, 1, h, w]."""
    random = np.random.RandomState(0)
    nodes, constants = [], []

    def constant(name: str, values: object, kind: type = np.float32) -> str:
        constants.append(numpy_helper.from_array(np.array(values, kind), name))
        return name

    def node(kind: str, *inputs: str, out: str, **attributes: object) -> str:
        nodes.append(helper.make_node(kind, list(inputs), [out], name=out, **attributes))
        return out

    def conv(x: str, out: str, shape: tuple, pads: list, strides: int = 1, group: int = 1) -> str:
        weights = constant(out + "/w", random.normal(0, 0.3, shape))
        bias = constant(out + "/b", random.normal(0, 0.1, shape[0]))
        return node(
            "Conv", x, weights, bias, out=out,
            pads=pads, strides=[strides, strides], group=group, kernel_shape=list(shape[2:]),
        )  # fmt: skip

    def double(x: str, out: str) -> str:
        return node("Resize", x, "", "scales", out=out, mode="linear")

    constant("scales", [1, 1, 2, 2])
    low, high = constant("low", 0.0), constant("high", 6.0)
    centred = node("Sub", "image", constant("mean", [[[120.0]], [[110.0]], [[100.0]]]), out="c")
    x = node("Div", centred, constant("scale", 64.0), out="x")
    half = node("AveragePool", x, out="half", kernel_shape=[2, 2], strides=[2, 2])
    same = conv(half, "same", (8, 3, 3, 3), [1, 1, 1, 1])
    same = node("Clip", same, low, high, out="relu6")
    deep = conv(same, "deep", (8, 1, 5, 5), [1, 1, 2, 2], strides=2, group=8)  # TF's "SAME"
    deep = node("Relu", deep, out="deep+")
    odd = conv(deep, "odd", (8, 8, 3, 3), [2, 0, 0, 2])  # no padding TensorFlow has a name for
    mean = node("ReduceMean", odd, out="mean_", axes=[2, 3], keepdims=1)
    odd = node("Add", odd, conv(mean, "context", (8, 8, 1, 1), [0, 0, 0, 0]), out="odd+")
    both = node("Concat", same, double(odd, "up"), out="both", axis=1)
    logits = conv(both, "logits", (2, 16, 1, 1), [0, 0, 0, 0])
    mask = node("Softmax", logits, out="softmax", axis=1)
    one, two, axis = (constant(n, [v], np.int64) for n, v in (("one", 1), ("two", 2), ("ax", 1)))
    mask = node("Slice", mask, one, two, axis, out="mask")
    scaled = node("Mul", double(mask, "large"), constant("gain", 4.0), out="scaled")
    detail = conv(x, "detail", (1, 3, 3, 3), [1, 1, 1, 1])
    node("Sigmoid", node("Add", scaled, detail, out="sum"), out="alpha")
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "network",
        [value("image", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [value("alpha", TensorProto.FLOAT, [1, 1, "h", "w"])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def picture(height: int, width: int) -> np.ndarray:
    """Smooth colours with some noise, float32 [H, W, 3] of whole numbers."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    smooth = np.stack([255 * x, 255 * y, 127 + 127 * np.sin(9 * x * y)], 2)
    noise = np.random.RandomState(0).normal(0, 5, smooth.shape)
    return (smooth + noise).clip(0, 255).round().astype(np.float32)


def run(model: onnx.ModelProto, feed: dict) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, feed)[0]


@pytest.fixture(scope="module")
def wrapped():
    from training.export_onnx import simplify, wrap

    return wrap(simplify(network()))


@needs_ort
def test_colours_pass_and_alpha_is_the_networks_at_a_working_size(wrapped):
    rgb = picture(512, 832)
    rgba = run(wrapped, {"input_image:0": rgb})
    alpha = run(network(), {"image": rgb.transpose(2, 0, 1)[None]})[0, 0]
    assert rgba.dtype == np.uint8 and np.array_equal(rgba[..., :3], rgb)
    assert alpha.std() > 0.02
    assert abs(rgba[..., 3] - 255 * alpha).max() < 1.5  # rounding, and weights in float16


@needs_ort
@pytest.mark.parametrize("size", [(1, 1), (30, 700), (700, 30), (999, 1333)])
def test_any_size_comes_back_as_it_went_in(wrapped, size):
    rgb = picture(*size)
    rgba = run(wrapped, {"input_image:0": rgb})
    assert rgba.shape == (*size, 4) and np.array_equal(rgba[..., :3], rgb)


@needs_ort
def test_a_large_photo_is_averaged_and_not_sampled(wrapped):
    # Every second column black: sampling would see stripes or one of the colours.
    rgb = np.zeros((1280, 2560, 3), np.float32)
    rgb[:, ::2] = 200
    part = onnx.ModelProto()
    part.CopyFrom(wrapped)
    part.graph.value_info.append(
        helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "h", "w"])
    )
    part = onnx.utils.Extractor(part).extract_model(["input_image:0"], ["image"])
    seen = run(part, {"input_image:0": rgb})
    assert abs(seen - 100).max() < 40


@needs_ort
def test_colours_out_of_range_are_held_in_it(wrapped):
    rgb = np.full((64, 64, 3), 300.0, np.float32)
    rgb[:32] = -5.0
    rgba = run(wrapped, {"input_image:0": rgb})
    assert (rgba[:32, :, :3] == 0).all() and (rgba[32:, :, :3] == 255).all()


@needs_ort
def test_weights_are_stored_in_half_the_space(wrapped):
    kinds = {t.name: t.data_type for t in wrapped.graph.initializer}
    large = [k for t in wrapped.graph.initializer for k in [t.name] if np.prod(t.dims) >= 64]
    stored = {kinds[name] for name in large if not name.startswith(("before/", "after/"))}
    assert stored == {TensorProto.FLOAT16}


@needs_ort
def test_older_runtimes_can_tell_how_many_sizes_a_resize_gets(wrapped):
    # ONNX Runtime before 1.24 refuses a graph where it cannot; .ci/pythons runs one.
    from bshm.model.weights import DATA

    for graph in (wrapped.graph, onnx.load(str(DATA / "bshm-lite.onnx")).graph):
        makers = {name: node for node in graph.node for name in node.output}
        constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        resizes = [n for n in graph.node if n.op_type == "Resize" and len(n.input) > 3]
        assert resizes
        for node in resizes:
            sizes = makers[node.input[3]]
            assert sizes.op_type == "Reshape" and constants[sizes.input[1]].tolist() == [4]


@needs_ort
def test_another_kind_of_network_is_refused():
    from training.export_onnx import wrap

    model = network()
    model.graph.input[0].name = "photo"
    with pytest.raises(ValueError, match="must take 'image' and give 'alpha'"):
        wrap(model)


@needs_tensorflow
def test_the_translated_network_computes_the_same():
    import tensorflow as tf
    from onnx.reference import ReferenceEvaluator

    from training.export_tf import Network

    image = picture(16, 24)
    expected = ReferenceEvaluator(network()).run(None, {"image": image.transpose(2, 0, 1)[None]})[0]
    with tf.Graph().as_default() as graph:
        alpha = Network(network().graph)(tf.constant(image[None]))
        with tf.compat.v1.Session(graph=graph) as session:
            found = session.run(alpha)
    assert expected.std() > 0.02
    assert abs(found[0, ..., 0] - expected[0, 0]).max() < 1e-3


@needs_tensorflow
def test_an_operation_without_translation_is_named():
    import tensorflow as tf

    from training.export_tf import Network

    model = network()
    model.graph.node[-1].op_type = "Tanh"
    with tf.Graph().as_default(), pytest.raises(ValueError, match="operation Tanh"):
        Network(model.graph)(tf.zeros([1, 64, 64, 3]))


@needs_tensorflow
@needs_ort
@pytest.mark.parametrize("size", [(512, 832), (1, 1), (333, 1000), (1500, 1100)])
def test_both_wrapped_graphs_agree(wrapped, size):
    import tensorflow as tf

    from training.export_tf import build

    rgb = picture(*size)
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(build(wrapped), name="")
        with tf.compat.v1.Session(graph=graph) as session:
            found = session.run("output_png:0", {"input_image:0": rgb})
    expected = run(wrapped, {"input_image:0": rgb})
    assert np.array_equal(found[..., :3], expected[..., :3])
    assert abs(found[..., 3].astype(int) - expected[..., 3]).max() <= 2
