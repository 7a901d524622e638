"""Engines: both keep the same promises, on tiny graphs and on the shipped ones."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bshm.errors import DeviceError, WeightsError
from bshm.model import engine as engines
from bshm.model import weights
from bshm.model.cpus import cpu_limit
from bshm.model.engine import INPUT, OUTPUT, alpha_from_levels

ROOT = Path(__file__).parents[2]
HERE = {name: bool(importlib.util.find_spec(p)) for name, p in engines.ENGINE_PACKAGES.items()}
has_onnx = importlib.util.find_spec("onnx") is not None


def onnx_graph(path: Path, inputs: str = INPUT, rows: int = 0, more: int = 1) -> str:
    """ONNX file of the contract whose alpha is the photo's red channel.

    inputs: the input's name
    rows: if given, a constant is added that only photos of so many rows go with
    more: channels of the answer beside RGB
    """
    import onnx
    from onnx import TensorProto, helper

    def constant(name: str, kind: int, shape: list[int], values: list[float]) -> onnx.NodeProto:
        return helper.make_node(
            "Constant", [], [name], value=helper.make_tensor(name, kind, shape, values)
        )

    nodes = [
        constant("from", TensorProto.INT64, [1], [0]),
        constant("to", TensorProto.INT64, [1], [more]),
        constant("axis", TensorProto.INT64, [1], [2]),
        constant("zeros", TensorProto.FLOAT, [rows or 1, 1, 1], [0.0] * (rows or 1)),
        helper.make_node("Add", [inputs, "zeros"], ["photo"]),
        helper.make_node("Slice", ["photo", "from", "to", "axis"], ["red"]),
        helper.make_node("Concat", ["photo", "red"], ["rgba"], axis=2),
        helper.make_node("Cast", ["rgba"], [OUTPUT], to=TensorProto.UINT8),
    ]
    graph = helper.make_graph(
        nodes,
        "red",
        [helper.make_tensor_value_info(inputs, TensorProto.FLOAT, ["H", "W", 3])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.UINT8, ["H", "W", "C"])],
    )
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=7), str(path))
    return str(path)


def tensorflow_graph(path: Path, inputs: str = INPUT, rows: int = 0, more: int = 1) -> str:
    """The same as a frozen TensorFlow graph."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        photo = tf.compat.v1.placeholder(tf.float32, [None, None, 3], name=inputs.split(":")[0])
        added = photo + tf.zeros([rows or 1, 1, 1])
        rgba = tf.concat([added, added[..., :more]], 2)
        tf.cast(rgba, tf.uint8, name=OUTPUT.split(":")[0])
        path.write_bytes(graph.as_graph_def().SerializeToString())
    return str(path)


@pytest.fixture(params=["onnx", "tensorflow"])
def kind(request):
    if not HERE[request.param]:
        pytest.skip("the package %s is not installed" % engines.ENGINE_PACKAGES[request.param])
    if request.param == "onnx" and not has_onnx:
        pytest.skip("the package onnx, which writes the test graphs, is not installed")
    return request.param


@pytest.fixture
def make(kind, tmp_path):
    """Function that writes a test graph, for the engine under test."""
    writer = {"onnx": onnx_graph, "tensorflow": tensorflow_graph}[kind]
    path = tmp_path / ("gräph" + weights.SUFFIXES[kind])
    return lambda **changes: writer(path, **changes)


@pytest.fixture
def engine_class(kind):
    if kind == "onnx":
        from bshm.model.onnx import OnnxEngine

        return OnnxEngine
    from bshm.model.tensorflow import TensorFlowEngine

    return TensorFlowEngine


def photo(height: int = 40, width: int = 56, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, (height, width, 3)).astype(np.uint8)


# Both engines


def test_alpha_has_the_size_of_the_photo_and_takes_rgb(engine_class, make):
    engine = engine_class(make(), device="cpu")
    rgb = photo()
    alpha = engine.alpha(rgb)
    assert (alpha.dtype, alpha.shape, engine.device) == (np.float32, (40, 56), "cpu")
    assert np.array_equal(alpha, alpha_from_levels(rgb[..., 0]))
    engine.close()


def test_one_engine_serves_many_threads_and_sizes(engine_class, make):
    engine = engine_class(make(), device="cpu")
    photos = [photo(20 + seed, 30, seed) for seed in range(16)]
    with ThreadPoolExecutor(8) as pool:
        for rgb, alpha in zip(photos, pool.map(engine.alpha, photos)):
            assert np.array_equal(alpha, alpha_from_levels(rgb[..., 0]))


def test_auto_runs_somewhere_and_says_where(engine_class, make):
    engine = engine_class(make())
    assert engine.device in ("cpu", "cuda")
    assert engine.alpha(photo()).shape == (40, 56)


def test_an_unknown_device_lists_those_there_are(engine_class, make):
    with pytest.raises(DeviceError, match="auto, cpu, cuda, tensorrt"):
        engine_class(make(), device="gpu")


def test_a_missing_file_is_named(engine_class, tmp_path):
    with pytest.raises(WeightsError, match="gone"):
        engine_class(str(tmp_path / "gone"), device="cpu")


@pytest.mark.parametrize("damage", ["empty", "cut", "text"])
def test_a_damaged_file_is_refused(engine_class, make, damage):
    path = Path(make())
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[:-25], "text": b"<html>no</html>\n" * 9}[damage])
    with pytest.raises(WeightsError, match="gräph") as caught:
        engine_class(str(path), device="cpu")
    assert "\n" not in str(caught.value)


def test_a_graph_of_another_kind_tells_what_it_has_and_what_it_should(engine_class, make):
    path = make(inputs="image:0")
    with pytest.raises(WeightsError, match="not a matting graph") as caught:
        engine_class(path, device="cpu")
    for words in ("image", "input_image:0", "output_png:0"):
        assert words in str(caught.value)


def test_a_failure_while_running_is_one_line(engine_class, make):
    engine = engine_class(make(rows=7), device="cpu")
    assert engine.alpha(photo(7)).shape == (7, 56)
    with pytest.raises(DeviceError, match=r"56×40 pixels on cpu: .*(shapes|broadcast)") as caught:
        engine.alpha(photo(40))
    assert "\n" not in str(caught.value)


def test_a_closed_engine_says_so_and_can_be_closed_again(engine_class, make):
    engine = engine_class(make(), device="cpu")
    engine.close()
    engine.close()
    with pytest.raises(DeviceError, match="the engine is closed"):
        engine.alpha(photo())


def test_the_frameworks_write_nothing_by_themselves(kind, tmp_path):
    shipped(kind)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "BSHM_"))}
    run = subprocess.run(
        [sys.executable, "-m", "bshm", "-q", "--engine", kind, "-d", str(tmp_path)],
        cwd=str(ROOT),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
    )
    assert run.stdout.decode().split() == [str(tmp_path / "1.png")]


def test_an_answer_that_is_no_rgba_is_a_weights_error(engine_class, make):
    engine = engine_class(make(more=2), device="cpu")
    with pytest.raises(WeightsError, match=r"their answer .* has the shape \[40, 56, 5\]"):
        engine.alpha(photo())


# ONNX Runtime alone


@pytest.fixture
def onnx_make(tmp_path):
    if not (HERE["onnx"] and has_onnx):
        pytest.skip("the packages onnxruntime and onnx are not installed")
    return onnx_graph(tmp_path / "graph.onnx")


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_device_the_build_has_not_names_the_package(onnx_make, device):
    import onnxruntime

    from bshm.model.onnx import PROVIDERS, OnnxEngine

    if PROVIDERS[device] in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime is built for GPUs")
    with pytest.raises(DeviceError, match=device + " needs the package onnxruntime-gpu"):
        OnnxEngine(onnx_make, device=device)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_gpu_build_that_falls_back_in_silence_is_found_out(onnx_make, monkeypatch):
    import onnxruntime

    from bshm.model.onnx import PROVIDERS, OnnxEngine

    available = onnxruntime.get_available_providers()
    if PROVIDERS["cuda"] in available:
        pytest.skip("this onnxruntime is built for GPUs")
    # As on a machine with the GPU package, whose CUDA library does not load.
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: [PROVIDERS["cuda"], *available]
    )
    with pytest.raises(DeviceError, match=r"cuda does not work here: .*providers_cuda"):
        OnnxEngine(onnx_make, device="cuda")
    engine = OnnxEngine(onnx_make, device="auto")
    assert engine.device == "cpu"
    assert engine.note.startswith("running on the CPU: cuda does not work here")


# TensorFlow alone


@pytest.fixture
def tensorflow_make(tmp_path):
    if not HERE["tensorflow"]:
        pytest.skip("the package tensorflow is not installed")
    return tensorflow_graph(tmp_path / "graph.pb")


def test_cuda_without_a_gpu_names_what_is_missing(tensorflow_make):
    from bshm.model.tensorflow import TensorFlowEngine

    if TensorFlowEngine(tensorflow_make).device == "cuda":
        pytest.skip("TensorFlow can use a GPU here")
    with pytest.raises(DeviceError, match=r"cuda does not work here: .*(GPU|driver|lib)"):
        TensorFlowEngine(tensorflow_make, device="cuda")


def test_tensorrt_is_not_a_device_of_tensorflow(tensorflow_make):
    from bshm.model.tensorflow import TensorFlowEngine

    with pytest.raises(DeviceError, match="onnx engine only"):
        TensorFlowEngine(tensorflow_make, device="tensorrt")


# What engines share


def test_levels_that_mean_solid_and_nothing_are_exactly_that():
    alpha = alpha_from_levels(np.arange(256, dtype=np.uint8).reshape(16, 16)).ravel()
    assert alpha.dtype == np.float32
    assert (alpha[[0, 1, 2]] == 0).all() and (alpha[[253, 254, 255]] == 1).all()
    assert (np.diff(alpha[2:254]) > 0).all()
    assert abs(alpha - np.arange(256) / 255).max() < 2.01 / 255


@pytest.mark.parametrize("threads", [1, 3])
def test_an_engine_takes_as_many_threads_as_it_is_told(threads, monkeypatch):
    (path,) = shipped("onnx")
    from bshm.model import onnx

    asked = []
    options = onnx._options
    monkeypatch.setattr(onnx, "_options", lambda n: asked.append(options(n)) or asked[-1])
    engines.start("onnx", path, "cpu", threads).close()
    assert [option.intra_op_num_threads for option in asked] == [threads]


def test_an_engine_must_be_known_and_installed(monkeypatch):
    monkeypatch.setattr(engines, "installed", lambda: ["tensorflow"])
    assert engines.choose("auto") == engines.choose("tensorflow") == ["tensorflow"]
    with pytest.raises(DeviceError, match="onnx needs the package onnxruntime"):
        engines.choose("onnx")
    with pytest.raises(DeviceError, match="choose auto or onnx, tensorflow"):
        engines.choose("torch")
    monkeypatch.setattr(engines, "installed", lambda: [])
    with pytest.raises(DeviceError, match="pip install onnxruntime"):
        engines.choose("auto")


def test_looking_for_engines_imports_none():
    code = "import sys\nfrom bshm.model.engine import choose\nchoose()\nprint(list(sys.modules))"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=str(ROOT), stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    for module in ("onnxruntime", "tensorflow", "numpy"):
        assert "'%s'" % module not in found


# CPUs


def cgroup(root: Path, groups: str, files: dict[str, str]) -> Path:
    """A tree that looks like / of a container."""
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", "utf-8")
    return root


@pytest.fixture
def eight_cpus(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/", {"sys/fs/cgroup/cpu.max": "max 100000"}, 8),
        ("0::/", {"sys/fs/cgroup/cpu.max": "200000 100000"}, 2),
        ("0::/", {"sys/fs/cgroup/cpu.max": "150000 100000"}, 2),
        ("0::/", {"sys/fs/cgroup/cpu.max": "10000 100000"}, 1),
        ("0::/a/b", {"sys/fs/cgroup/a/cpu.max": "300000 100000"}, 3),
        ("0::/a/\xfc", {"sys/fs/cgroup/a/cpu.max": "300000 100000"}, 3),
        ("0::/host/path", {"sys/fs/cgroup/cpu.max": "400000 100000"}, 4),
        (
            "5:cpuacct,cpu:/x\n0::/",
            {
                "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "250000",
                "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "50000",
            },
            5,
        ),
        (
            "5:cpu:/",
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            8,
        ),
        ("", {}, 8),
    ],
)
def test_cpu_limit_follows_the_container(tmp_path, eight_cpus, groups, files, expected):
    assert cpu_limit(cgroup(tmp_path, groups, files)) == expected


def test_cpu_limit_follows_affinity(tmp_path, eight_cpus, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7}, raising=False)
    assert cpu_limit(tmp_path) == 3


def test_cpu_limit_where_there_is_neither(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert cpu_limit(tmp_path) == 6


# The shipped graphs

SHIPPED = {kind: weights.DATA / ("bshm-lite" + suffix) for kind, suffix in weights.SUFFIXES.items()}


def shipped(*kinds: str) -> list[str]:
    """Paths of the shipped graphs for these engines; skips where one cannot be run."""
    for kind in kinds:
        if not SHIPPED[kind].is_file():
            pytest.skip("this checkout carries no %s" % SHIPPED[kind].name)
        if not HERE[kind]:
            pytest.skip("the package %s is not installed" % engines.ENGINE_PACKAGES[kind])
    return [str(SHIPPED[kind]) for kind in kinds]


def portrait(height: int, width: int, name: str = "1.png") -> np.ndarray:
    import cv2

    bgr = cv2.imread(str(ROOT / "image-matting" / name))
    return cv2.resize(bgr[..., ::-1], (width, height), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("name", ["onnx", "tensorflow"])
def test_shipped_graph_answers_for_any_size(name):
    (path,) = shipped(name)
    if name == "onnx":
        from bshm.model.onnx import OnnxEngine as Engine
    else:
        from bshm.model.tensorflow import TensorFlowEngine as Engine
    engine = Engine(path, device="cpu")
    for size in ((1, 1), (3, 500), (333, 222), (512, 512), (1200, 800)):
        alpha = engine.alpha(portrait(*size))
        assert alpha.shape == size and alpha.min() >= 0 and alpha.max() <= 1
    # A portrait: solid in its middle, nothing in its upper corner.
    assert alpha[550:650, 380:420].mean() > 0.99 and alpha[:100, -100:].mean() < 0.01


def test_shipped_graphs_agree_in_both_frameworks():
    onnx_path, graph_path = shipped("onnx", "tensorflow")
    from bshm.model.onnx import OnnxEngine
    from bshm.model.tensorflow import TensorFlowEngine

    first, second = OnnxEngine(onnx_path, "cpu"), TensorFlowEngine(graph_path, "cpu")
    for size in ((512, 512), (512, 896), (768, 576), (301, 203), (1080, 1920)):
        for name in ("1.png", "2.png"):
            rgb = portrait(*size, name)
            assert abs(first.alpha(rgb) - second.alpha(rgb)).max() < 2.05 / 255, size


def test_shipped_graph_takes_the_working_size_as_it_is_and_chooses_the_same_itself():
    (path,) = shipped("onnx")
    onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
    import onnxruntime

    from bshm.matting import working_size

    model = onnx.load(path)
    value = onnx.helper.make_tensor_value_info
    model.graph.value_info.append(value("image", onnx.TensorProto.FLOAT, [1, 3, "h", "w"]))
    part = onnx.utils.Extractor(model).extract_model([INPUT], ["image"])
    session = onnxruntime.InferenceSession(
        part.SerializeToString(), providers=["CPUExecutionProvider"]
    )

    def seen(rgb: np.ndarray) -> np.ndarray:
        return session.run(None, {INPUT: rgb.astype(np.float32)})[0][0].transpose(1, 2, 0)

    for size in ((1, 1), (480, 640), (1080, 1920), (1920, 1080), (13, 7), (500, 3000), (40, 41)):
        size_seen = working_size(*size)
        assert seen(photo(*size)).shape[:2] == size_seen, size
        rgb = photo(*size_seen)
        assert np.array_equal(seen(rgb), rgb), size_seen


# ModelScope's own pipeline imports torch in passing and never uses it: a stand-in will do.
PIPELINE = """
import importlib.machinery, importlib.util, sys, types
class StandIn(types.ModuleType):
    def __getattr__(self, name):
        return type(name, (), {})
if importlib.util.find_spec("torch") is None:
    for name in ("torch", "torch.multiprocessing", "torch.distributed"):
        sys.modules[name] = StandIn(name)
        sys.modules[name].__spec__ = importlib.machinery.ModuleSpec(name, None)
    sys.modules["torch"].distributed = sys.modules["torch.distributed"]
    sys.modules["torch.distributed"].is_available = lambda: False
import numpy
from modelscope.pipelines import pipeline
folder, photo, out = sys.argv[1:]
numpy.save(out, pipeline("portrait-matting", model=folder)(photo)["output_img"])
"""


def test_modelscope_runs_the_shipped_graph_and_gets_the_same(tmp_path):
    (path,) = shipped("tensorflow")
    if importlib.util.find_spec("modelscope") is None or sys.version_info >= (3, 8):
        pytest.skip("ModelScope 1.6.1 with TensorFlow 1.15 runs on Python 3.7")
    from bshm.model.tensorflow import TensorFlowEngine

    (tmp_path / "tf_graph.pb").write_bytes(Path(path).read_bytes())
    (tmp_path / "configuration.json").write_text(
        '{"framework": "tensorflow", "task": "portrait-matting",'
        ' "pipeline": {"type": "unet-image-matting"}}',
        "utf-8",
    )
    picture, out = ROOT / "image-matting" / "1.png", tmp_path / "out.npy"
    subprocess.run(
        [sys.executable, "-c", PIPELINE, str(tmp_path), str(picture), str(out)],
        env={**os.environ, "HOME": str(tmp_path)},
        check=True,
    )
    bgra = np.load(str(out))
    rgb = portrait(512, 512)
    assert np.array_equal(bgra[..., 2::-1], rgb)
    ours = TensorFlowEngine(path, device="cpu").alpha(rgb)
    assert np.array_equal(alpha_from_levels(bgra[..., 3]), ours)
