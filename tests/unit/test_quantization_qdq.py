"""Int8 ONNX: close to the float model, quantized where it should be, and described truthfully."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from exported_samples import SIZE, run_script, write_samples
from onnx import numpy_helper

from yolov3.errors import InputError
from yolov3.quantization.common import layers_kept_float

METHODS = ["MAX_MIN", "KL", "REMOVAL_OUTLIER"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("daten ü")
    manifest, checkpoint = write_samples(folder, images=6)
    words = ["--manifest", manifest, "--testing_shape", SIZE]
    assert run_script("export", *words, "--ckpt_file", checkpoint, "--file_format", "ONNX", "--output_dir", folder) == 0
    words += ["--output_dir", folder / "calibration", "--calibration", 1, "--calibration_images", 5]
    assert run_script("preprocess_bins", *words) == 0
    return folder / "yolov3_darknet53.onnx", folder / "calibration"


def quantize(prepared, output, *more):
    words = ["--quant_backend", "qdq", "--model", prepared[0], "--calibration_dir", prepared[1], "--output", output]
    return run_script("post_quant", *words, *more)


def outputs_of(path, images):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"images": images})


def calibration_images(folder):
    return [
        np.fromfile(file, np.float32).reshape(1, SIZE, SIZE, 3).transpose(0, 3, 1, 2)
        for file in sorted((folder / "images").iterdir())
    ]


@pytest.mark.parametrize("method", METHODS)
def test_int8_model_is_close_to_float(prepared, tmp_path, method):
    output = tmp_path / "größe 8.onnx"
    assert quantize(prepared, output, "--quant_method", method) == 0
    for images in calibration_images(prepared[1])[:2]:
        for expected, found in zip(outputs_of(prepared[0], images), outputs_of(output, images), strict=True):
            error = np.sqrt(np.mean((found - expected) ** 2)) / np.std(expected)
            assert 0 < error < 0.1
    assert json.loads((tmp_path / "quant.json").read_text())["method"] == method


def test_every_convolution_has_int8_weights_a_channel(prepared, tmp_path):
    assert quantize(prepared, tmp_path / "q.onnx", "--skip_layers", "") == 0
    graph = onnx.load(tmp_path / "q.onnx").graph
    producers = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    float_convolutions = [node for node in onnx.load(prepared[0]).graph.node if node.op_type == "Conv"]
    assert len(convolutions) == len(float_convolutions)
    for node in convolutions:
        weight, scale = (constants[name] for name in producers[node.input[1]].input[:2])
        assert weight.dtype == np.int8
        assert scale.shape == weight.shape[:1]
        assert producers[node.input[0]].op_type == "DequantizeLinear"


def test_layers_named_to_be_skipped_stay_float(prepared, tmp_path):
    assert quantize(prepared, tmp_path / "q.onnx", "--skip_layers", "branch_*.head, backbone.root") == 0
    graph = onnx.load(tmp_path / "q.onnx").graph
    producers = {name: node.op_type for node in graph.node for name in node.output}
    is_float = {node.name for node in graph.node if node.op_type == "Conv" and node.input[1] not in producers}
    assert is_float == {"backbone.root", "branch_8.head", "branch_16.head", "branch_32.head"}
    report = json.loads((tmp_path / "quant.json").read_text())
    assert set(report["layers_kept_float"]) == is_float


def test_report_gives_sizes_and_ranges(prepared, tmp_path):
    assert quantize(prepared, tmp_path / "q.onnx", "--report", tmp_path / "r ü.json") == 0
    report = json.loads((tmp_path / "r ü.json").read_text(encoding="utf-8"))
    assert (report["backend"], report["calibration_images"]) == ("qdq", 5)
    assert report["float_model"]["bytes"] == prepared[0].stat().st_size
    assert report["int8_model"]["bytes"] == (tmp_path / "q.onnx").stat().st_size
    # The range of the input is that of the calibration images, which MAX_MIN takes whole.
    pixels = np.concatenate(calibration_images(prepared[1]))
    image = report["tensors"]["images"]
    assert image["dtype"] == "uint8" and image["channels"] == 1
    assert image["range"] == pytest.approx([pixels.min(), pixels.max()], abs=2 * image["scale"])
    root = report["tensors"]["backbone.root.conv.weight"]
    weight = next(
        numpy_helper.to_array(tensor)
        for tensor in onnx.load(prepared[0]).graph.initializer
        if tensor.name == "backbone.root.conv.weight"
    )
    assert root["channels"] == len(weight)
    assert root["largest_scale"] == pytest.approx(np.abs(weight).max() / 127, rel=0.02)
    assert (tmp_path / "q.onnx.json").read_text() == (prepared[0].parent / f"{prepared[0].name}.json").read_text()


def test_unknown_layers_are_refused():
    layers = ["backbone.root", "branch_8.expand", "branch_8.head", "branch_16.head"]
    assert layers_kept_float("", layers) == []
    assert layers_kept_float("branch_16.head,branch_8.*", layers) == layers[1:]
    with pytest.raises(InputError, match=r"skip_layers has branch_9\.\*"):
        layers_kept_float("backbone.root,branch_9.*", layers)


def test_bad_input_is_one_sentence(prepared, tmp_path, capfd):
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(prepared[0].read_bytes()[:3000])
    (tmp_path / "cut.onnx.json").write_text((prepared[0].parent / f"{prepared[0].name}.json").read_text())
    (tmp_path / "empty").mkdir()
    for place, output, sentence in (
        ((cut, prepared[1]), "q.onnx", "cut off or not an ONNX file"),
        ((tmp_path / "none.onnx", prepared[1]), "q.onnx", "does not exist"),
        ((prepared[0], tmp_path / "empty"), "q.onnx", "is empty"),
        (prepared, "q.ms", "must end in .onnx"),
    ):
        assert quantize(place, tmp_path / "out" / output) == 1
        said = capfd.readouterr().err
        assert len(said.splitlines()) == 1 and sentence in said
    assert not (tmp_path / "out").exists()
