"""Conversion: the same alpha or no file."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from bshm.errors import DeviceError, WeightsError
from bshm.model import convert, weights

MISSING = [package for package in convert.NEEDED_PACKAGES if not importlib.util.find_spec(package)]
converts = pytest.mark.skipif(
    bool(MISSING), reason="converting needs %s, not installed" % ", ".join(MISSING)
)


def frozen(path: Path, special: str = "") -> str:
    """A graph of the contract: strided convolution, sigmoid, and a resize to the photo's size.

    special: name of a unary TensorFlow operation to put in between
    """
    import tensorflow as tf

    tf1 = tf.compat.v1
    kernel = np.random.RandomState(0).normal(0, 0.01, (5, 5, 3, 1)).astype(np.float32)
    with tf.Graph().as_default() as graph:
        photo = tf1.placeholder(tf.float32, [None, None, 3], name="input_image")
        small = tf1.image.resize_bilinear(photo[None], [64, 64], half_pixel_centers=True)
        alpha = tf.nn.sigmoid(tf1.nn.conv2d(small, kernel, [1, 2, 2, 1], "SAME"))
        if special:
            alpha = getattr(tf.raw_ops, special)(x=alpha)
        size = tf.shape(photo)[:2]
        alpha = tf1.image.resize_bilinear(alpha, size, half_pixel_centers=True)[0] * 255.0
        tf.cast(tf.concat([photo, tf.round(alpha)], 2), tf.uint8, name="output_png")
        path.write_bytes(graph.as_graph_def().SerializeToString())
    return str(path)


@converts
def test_a_converted_graph_gives_the_same_alpha_and_is_found(tmp_path):
    from bshm.model.onnx import OnnxEngine
    from bshm.model.tensorflow import TensorFlowEngine

    graph = frozen(tmp_path / "tf_graph.pb")
    written = convert.convert(graph, str(tmp_path / "tf_graph.onnx"))
    rgb = np.random.RandomState(1).randint(0, 256, (97, 131, 3)).astype(np.uint8)
    before, after = TensorFlowEngine(graph, "cpu").alpha(rgb), OnnxEngine(str(written)).alpha(rgb)
    assert before.std() > 0.01  # there is something to agree on
    assert abs(before - after).max() < 2.05 / 255
    chosen = weights.resolve(str(tmp_path), ["onnx"])
    assert chosen.path == written and "sha256 as recorded" in chosen.why


@converts
def test_another_result_is_never_written(tmp_path, monkeypatch):
    graph = frozen(tmp_path / "tf_graph.pb")
    target = tmp_path / "model.onnx"
    target.write_bytes(b"what was there before")
    answer = "bshm.model.tensorflow.TensorFlowEngine.alpha"
    monkeypatch.setattr(answer, lambda _, rgb: np.zeros(rgb.shape[:2], np.float32))
    with pytest.raises(WeightsError, match=r"was not converted: .* at most 2/255"):
        convert.convert(graph, str(target))
    assert target.read_bytes() == b"what was there before"
    assert {path.name for path in tmp_path.iterdir()} == {"tf_graph.pb", "model.onnx"}


@converts
def test_a_graph_that_has_no_translation_leaves_nothing(tmp_path):
    graph = frozen(tmp_path / "tf_graph.pb", special="Dawsn")
    with pytest.raises(WeightsError):
        convert.convert(graph, str(tmp_path / "model.onnx"))
    assert [path.name for path in tmp_path.iterdir()] == ["tf_graph.pb"]


@converts
def test_a_damaged_graph_is_refused(tmp_path):
    (tmp_path / "tf_graph.pb").write_bytes(b"<html>not a graph</html>" * 5)
    with pytest.raises(WeightsError, match=r"tf_graph\.pb is not a frozen graph"):
        convert.convert(str(tmp_path / "tf_graph.pb"), str(tmp_path / "model.onnx"))


@converts
def test_a_place_that_cannot_be_written_is_named(tmp_path):
    graph = frozen(tmp_path / "tf_graph.pb")
    with pytest.raises(WeightsError, match=r"cannot write .*model\.onnx"):
        convert.convert(graph, graph + "/model.onnx")


def test_the_file_to_write_must_be_onnx(tmp_path):
    with pytest.raises(WeightsError, match=r"must end in \.onnx, unlike .*model\.pb"):
        convert.convert("tf_graph.pb", str(tmp_path / "model.pb"))


def test_missing_packages_are_named_with_what_installs_them(monkeypatch, tmp_path):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else found(name)
    )
    with pytest.raises(DeviceError, match=r"\btf2onnx\b.*: pip install '.*\[convert\]'"):
        convert.convert("tf_graph.pb", str(tmp_path / "model.onnx"))


def test_the_pictures_to_compare_on_differ_in_size_and_content():
    photos = list(convert._photos())
    assert len({photo.shape for photo in photos}) == len(photos) >= 4
    assert all(photo.dtype == np.uint8 and photo.std() > 20 for photo in photos)
