"""Engines lite and openvino give what ONNX Runtime gives on the same network."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from native_helpers import ANCHORS, Program, assert_ran, assert_refused, describe_model, read_raw_maps, write_bins

SIZE = (64, 96)
NAMES, IDS = ("a", "b"), (1, 2)
# Root mean square error of int8 outputs of an untrained network, as a share of the outputs.
INT8_ERROR = 0.25

# Only MindSpore can export, and a process that imports it needs ONEDNN_MAX_CPU_ISA before; so in one of its own.
EXPORT = """
import sys
import mindspore, numpy as np
from yolov3.network.settings import NetworkSettings
from yolov3.network.yolo import YOLOv3
anchors = {anchors}
mindspore.set_seed(1)
net = YOLOv3(NetworkSettings((8, 16, 32, 64, 128), (1, 1, 1, 1, 1), anchors, ("a", "b")))
random = np.random.default_rng(2)
for parameter in net.get_parameters():
    if parameter.name.endswith("moving_mean"):
        parameter.set_data(mindspore.Tensor(random.normal(0, 0.1, parameter.shape).astype(np.float32)))
    if parameter.name.endswith("moving_variance"):
        parameter.set_data(mindspore.Tensor(random.uniform(0.05, 0.3, parameter.shape).astype(np.float32)))
net.set_train(False)
mindspore.export(net, mindspore.Tensor(np.zeros((1, 3, 64, 96), np.float32)), file_name=sys.argv[1], file_format="ONNX")
"""


@pytest.fixture(scope="session")
def onnx_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mindspore")
    onnx = pytest.importorskip("onnx")
    path = tmp_path_factory.mktemp("model") / "slim.onnx"
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    code = EXPORT.format(anchors=ANCHORS)
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, env=environment, capture_output=True)
    path.chmod(0o644)
    # MindSpore leaves out the attribute where ONNX's default is meant; Lite's converter takes bilinear for it.
    model = onnx.load(str(path))
    for node in model.graph.node:
        if node.op_type == "Resize" and not any(attribute.name == "mode" for attribute in node.attribute):
            node.attribute.append(onnx.helper.make_attribute("mode", "nearest"))
    onnx.save(model, str(path))
    return describe_model(path, SIZE, NAMES, IDS)


@pytest.fixture(scope="session")
def images() -> list[np.ndarray]:
    random = np.random.default_rng(3)
    return [random.normal(0, 1, (3, *SIZE)).astype(np.float32) for _ in range(4)]


@pytest.fixture(scope="session")
def wanted(onnx_model: Path, images: list[np.ndarray]) -> list[tuple[np.ndarray, ...]]:
    return run_onnx(onnx_model, images)


def run_onnx(model: Path, images: list[np.ndarray]) -> list[tuple[np.ndarray, ...]]:
    session = pytest.importorskip("onnxruntime").InferenceSession(str(model), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    results = [[output[0] for output in session.run(None, {name: image[None]})] for image in images]
    # The grid of stride 8 is the largest.
    return [tuple(sorted(maps, key=lambda raw: -raw.size)) for maps in results]


def errors(output: Path, wanted: list[tuple[np.ndarray, ...]]) -> tuple[float, float]:
    """Return the largest difference and the root mean square of all, both as shares of those of `wanted`."""
    found = [read_raw_maps(output, f"COCO_val2014_{index + 1:012d}", maps) for index, maps in enumerate(wanted)]
    truth = np.concatenate([raw.ravel() for maps in wanted for raw in maps])
    difference = np.concatenate([raw.ravel() for maps in found for raw in maps]) - truth
    return float(np.abs(difference).max() / np.abs(truth).max()), float(
        np.linalg.norm(difference / np.linalg.norm(truth))
    )


def need(has_engine: set[str], engine: str) -> None:
    if engine not in has_engine:
        pytest.skip(f"engine {engine} is not in this build")


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(("engine", "save_type"), [("lite", "MINDIR_LITE"), ("lite", "MINDIR"), ("openvino", "")])
def test_raw_maps_equal_onnx_runtime(
    native: Program,
    converter: Program,
    has_engine: set[str],
    onnx_model: Path,
    images: list[np.ndarray],
    wanted: list[tuple[np.ndarray, ...]],
    tmp_path: Path,
    engine: str,
    save_type: str,
    layout: str,
) -> None:
    need(has_engine, engine)
    model = onnx_model
    if save_type:
        model = convert(converter, onnx_model, tmp_path / "model", save_type)
    output = tmp_path / "out"
    bins = write_bins(tmp_path / "bins", images, layout, size=SIZE)
    result = native.run("--engine", engine, "--model", model, "--input", bins, "--output", output, "--threads", 1)
    assert assert_ran(result, output)
    assert errors(output, wanted)[0] < 1e-5
    # The network looks at the image: a wrong upsampling would show.
    assert all(raw.std(axis=(1, 2)).mean() > 0.1 for raw in wanted[0])
    benchmark = json.loads((output / "benchmark.json").read_text())
    assert benchmark["engine"] == engine and benchmark["threads"] == 1
    assert benchmark["model_bytes"] == model.stat().st_size


def convert(converter: Program, onnx_model: Path, target: Path, save_type: str, config: Path | None = None) -> Path:
    words = ["--fmk", "ONNX", "--modelFile", onnx_model, "--outputFile", target, "--saveType", save_type]
    result = converter.run(*words, *(["--configFile", config] if config else []))
    assert result.returncode == 0, result.stderr
    made = target.with_name(target.name + (".ms" if save_type == "MINDIR_LITE" else ".mindir"))
    assert os.access(made, os.R_OK | os.W_OK)
    return describe_model(made, SIZE, NAMES, IDS)


def test_full_quantization_of_mindspore_lite(
    native: Program,
    converter: Program,
    onnx_model: Path,
    images: list[np.ndarray],
    wanted: list[tuple[np.ndarray, ...]],
    tmp_path: Path,
) -> None:
    onnx = pytest.importorskip("onnx")
    input_name = onnx.load(str(onnx_model)).graph.input[0].name
    calibration = tmp_path / "calibration"
    calibration.mkdir()
    for index, image in enumerate(images):
        image.transpose(1, 2, 0).tofile(calibration / f"{index}.bin")
    config = tmp_path / "quantization.cfg"
    config.write_text(
        "[common_quant_param]\nquant_type=FULL_QUANT\nbit_num=8\nmin_quant_weight_size=0\n"
        "min_quant_weight_channel=4\n[data_preprocess_param]\n"
        f"calibrate_path={input_name}:{calibration}\ncalibrate_size={len(images)}\ninput_type=BIN\n"
        "[full_quant_param]\nactivation_quant_method=MAX_MIN\nbias_correction=true\n"
    )
    model = convert(converter, onnx_model, tmp_path / "int8", "MINDIR_LITE", config)
    assert model.stat().st_size < onnx_model.stat().st_size / 2
    output = tmp_path / "out"
    bins = write_bins(tmp_path / "bins", images, size=SIZE)
    assert_ran(native.run("--model", model, "--input", bins, "--output", output), output)
    assert 1e-4 < errors(output, wanted)[1] < INT8_ERROR


def test_int8_onnx_on_openvino(
    native: Program,
    has_engine: set[str],
    onnx_model: Path,
    images: list[np.ndarray],
    wanted: list[tuple[np.ndarray, ...]],
    tmp_path: Path,
) -> None:
    need(has_engine, "openvino")
    quantization = pytest.importorskip("onnxruntime.quantization")

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.left = [{"images": image[None]} for image in images]

        def get_next(self) -> dict[str, np.ndarray] | None:
            return self.left.pop() if self.left else None

    model = tmp_path / "int8.onnx"
    quantization.quantize_static(str(onnx_model), str(model), Reader(), per_channel=False)
    describe_model(model, SIZE, NAMES, IDS)
    output = tmp_path / "out"
    bins = write_bins(tmp_path / "bins", images, size=SIZE)
    result = native.run("--engine", "openvino", "--model", model, "--input", bins, "--output", output)
    assert_ran(result, output)
    assert 1e-4 < errors(output, wanted)[1] < INT8_ERROR


def test_bfloat16_is_close_and_of_openvino_only(
    native: Program,
    has_engine: set[str],
    onnx_model: Path,
    images: list[np.ndarray],
    wanted: list[tuple[np.ndarray, ...]],
    tmp_path: Path,
) -> None:
    need(has_engine, "openvino")
    output = tmp_path / "out"
    bins = write_bins(tmp_path / "bins", images, size=SIZE)
    words = ["--model", onnx_model, "--input", bins, "--output", output, "--precision", "bfloat16"]
    assert_refused(native.run(*words), output, "engine lite does not support --precision bfloat16", code=2)
    assert_ran(native.run("--engine", "openvino", *words), output)
    error = errors(output, wanted)[1]
    assert error < INT8_ERROR / 2
    assert json.loads((output / "benchmark.json").read_text())["precision"] == "bfloat16"
    if "avx512_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8"):
        assert error > 1e-4


@pytest.mark.parametrize(("engine", "writes_raw"), [("openvino", 0), ("openvino", 1), ("lite", 1)])
def test_memory_does_not_grow_with_the_images(
    native: Program,
    converter: Program,
    has_engine: set[str],
    onnx_model: Path,
    images: list[np.ndarray],
    tmp_path: Path,
    engine: str,
    writes_raw: int,
) -> None:
    need(has_engine, engine)
    model = onnx_model if engine == "openvino" else convert(converter, onnx_model, tmp_path / "model", "MINDIR_LITE")
    bins = write_bins(tmp_path / "bins", images[:1], size=SIZE)
    entry = json.loads((bins / "index.json").read_text())["images"][0]

    def peak_kib(count: int) -> int:
        index = json.loads((bins / "index.json").read_text())
        index["images"] = [{**entry, "id": number, "name": f"image_{number}"} for number in range(count)]
        (bins / "index.json").write_text(json.dumps(index))
        words = ["--engine", engine, "--model", model, "--input", bins, "--output", tmp_path / "out"]
        result, peak = native.run_for_peak_kib(*words, "--raw", writes_raw, "--threads", 1)
        assert result.returncode == 0, result.stderr
        return peak

    few, many = peak_kib(50), peak_kib(2050)
    # 2,000 images more are 147 MB of input and 10 MB of raw maps.
    assert many - few < 8 * 1024


@pytest.fixture
def case(native: Program, onnx_model: Path, converter: Program, images: list[np.ndarray], tmp_path: Path):
    """Returns a function that runs a model file of given content and name with an engine."""
    bins = write_bins(tmp_path / "bins", images[:1], size=SIZE)
    output = tmp_path / "out"

    def run(engine: str, name: str, content: bytes, *arguments: object):
        model = tmp_path / name
        model.write_bytes(content)
        describe_model(model, SIZE, NAMES, IDS)
        words = ("--engine", engine, "--model", model, "--input", bins, "--output", output, *arguments)
        return native.run(*words), output

    return run


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
@pytest.mark.parametrize(("engine", "suffix"), [("lite", ".ms"), ("lite", ".mindir"), ("openvino", ".onnx")])
def test_a_truncated_model(
    case,
    converter: Program,
    has_engine: set[str],
    onnx_model: Path,
    tmp_path: Path,
    engine: str,
    suffix: str,
    share: float,
) -> None:
    need(has_engine, engine)
    whole = onnx_model
    if engine == "lite":
        whole = convert(converter, onnx_model, tmp_path / "whole", "MINDIR_LITE" if suffix == ".ms" else "MINDIR")
    content = whole.read_bytes()
    result, output = case(engine, f"cut{suffix}", content[: int(len(content) * share)])
    assert_refused(result, output, f"cut{suffix}")


@pytest.mark.parametrize(
    ("engine", "suffix"), [("lite", ".ms"), ("lite", ".mindir"), ("openvino", ".onnx"), ("openvino", ".xml")]
)
def test_a_text_file_as_model(case, has_engine: set[str], engine: str, suffix: str) -> None:
    need(has_engine, engine)
    result, output = case(engine, f"text{suffix}", b"this is a text, and no model at all\n")
    assert_refused(result, output, f"text{suffix}")


@pytest.mark.parametrize("suffix", [".onnx", ".ms", ".mindir"])
def test_an_onnx_file_given_to_lite(case, has_engine: set[str], onnx_model: Path, suffix: str) -> None:
    need(has_engine, "lite")
    result, output = case("lite", f"model{suffix}", onnx_model.read_bytes())
    assert_refused(result, output, f"model{suffix}", "convert")


def test_a_lite_model_given_to_openvino(
    case, converter: Program, has_engine: set[str], onnx_model: Path, tmp_path: Path
) -> None:
    need(has_engine, "openvino")
    content = convert(converter, onnx_model, tmp_path / "whole", "MINDIR_LITE").read_bytes()
    assert_refused(*case("openvino", "model.ms", content), "reads .onnx or .xml files", "--engine lite")
    assert_refused(*case("openvino", "model.onnx", content), "not an ONNX file")


def test_a_missing_ascend_device(
    case, converter: Program, has_engine: set[str], onnx_model: Path, tmp_path: Path
) -> None:
    need(has_engine, "lite")
    content = convert(converter, onnx_model, tmp_path / "whole", "MINDIR_LITE").read_bytes()
    assert_refused(*case("lite", "model.ms", content, "--device", "ascend"), "device ascend")
    need(has_engine, "openvino")
    result = case("openvino", "model.onnx", onnx_model.read_bytes(), "--device", "ascend")
    assert_refused(*result, "openvino has no device ascend", code=2)


def test_another_number_of_classes(
    case, native: Program, has_engine: set[str], onnx_model: Path, tmp_path: Path
) -> None:
    need(has_engine, "openvino")
    _, output = case("openvino", "model.onnx", onnx_model.read_bytes(), "--help")
    describe_model(tmp_path / "model.onnx", SIZE, ("a", "b", "c"), (1, 2, 3))
    words = ("--model", tmp_path / "model.onnx", "--input", tmp_path / "bins", "--output", output)
    result = native.run("--engine", "openvino", *words)
    assert_refused(result, output, "1 x 21 x 8 x 12", "24 channels")


@pytest.mark.parametrize(
    ("arguments", "parts", "code"),
    [
        (["--fmk", "TF"], ["--fmk"], 2),
        (
            ["--fmk", "ONNX", "--saveType", "MINDIR", "--modelFile", "/nowhere.onnx", "--outputFile", "x"],
            ["/nowhere.onnx"],
            1,
        ),
        (["--colour", "red"], ["--colour"], 2),
    ],
)
def test_the_converter_refuses(converter: Program, arguments: list[str], parts: list[str], code: int) -> None:
    assert_refused(converter.run(*arguments), None, *parts, code=code, name="mslite_convert")


def test_the_converter_refuses_what_is_no_model(converter: Program, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("this is a text, and no model at all\n")
    words = ["--fmk", "ONNX", "--saveType", "MINDIR_LITE", "--modelFile", tmp_path / "text.onnx"]
    result = converter.run(*words, "--outputFile", tmp_path / "made")
    assert_refused(result, None, "MindSpore Lite cannot convert", "text.onnx", name="mslite_convert")
    assert [path.name for path in tmp_path.iterdir()] == ["text.onnx"]
