"""Export: what the files compute, what stands beside them, and what is refused."""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from exported_samples import ANCHORS, SETTINGS, SIZE, run_script, small_network, write_samples
from mindspore import Tensor
from onnx import TensorProto, helper, numpy_helper

from yolov3.data.annotations import load_split
from yolov3.data.images import read_image_rgb
from yolov3.data.manifest import Manifest
from yolov3.errors import InputError
from yolov3.export.description import ModelDescription, description_path
from yolov3.export.export import (
    Difference,
    ExportSettings,
    difference_of,
    formats_of,
    input_batch,
    require_close,
)
from yolov3.export.folding import folded_network
from yolov3.export.onnx_file import read_onnx, tidy_export
from yolov3.export.runners import mindir_runner, onnx_runner
from yolov3.network.preprocess import normalise, place_image
from yolov3.network.settings import NORMALISATIONS, NetworkSettings
from yolov3.weights.checkpoint import load_network


def export(folder, manifest, checkpoint, *more):
    arguments = ["--manifest", manifest, "--ckpt_file", checkpoint, "--output_dir", folder, "--testing_shape", SIZE]
    return run_script("export", *arguments, *more)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return write_samples(tmp_path_factory.mktemp("data ü"))


@pytest.fixture(scope="module")
def raw_export(samples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "export größe"
    assert export(folder, *samples, "--file_name", "net") == 0
    return folder


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(3).normal(size=(1, 3, SIZE, SIZE)).astype(np.float32)


def outputs_of(network, images):
    return [output.asnumpy() for output in network(Tensor(images))]


@pytest.mark.parametrize("compatibility", ["darknet", "modelzoo"])
def test_folding_leaves_no_batch_norm_and_the_same_outputs(images, compatibility):
    settings = NetworkSettings((8,) * 5, (1,) * 5, ANCHORS, ("a", "b"), compatibility)
    network = small_network(settings)
    folded = folded_network(network)
    assert not [name for name, _ in folded.parameters_and_names() if "batch_norm" in name]
    for expected, found in zip(outputs_of(network, images), outputs_of(folded, images), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_files_compute_what_the_network_does(raw_export, samples, images):
    network, _ = load_network(samples[1])
    session = onnxruntime.InferenceSession(raw_export / "net.onnx", providers=["CPUExecutionProvider"])
    from_onnx = session.run(["raw_8", "raw_16", "raw_32"], {"images": images})
    # MindSpore loads from plainly named places only.
    from_mindir = mindir_runner(raw_export / "net.mindir")(images)
    for expected, *found in zip(outputs_of(network, images), from_onnx, from_mindir, strict=True):
        for one in found:
            np.testing.assert_allclose(one, expected, atol=1e-4 * np.abs(expected).max())


def test_onnx_has_merged_activations_and_named_convolutions(raw_export):
    graph = onnx.load(raw_export / "net.onnx").graph
    assert not {node.op_type for node in graph.node} & {"Max", "Mul", "BatchNormalization"}
    names = [node.name for node in graph.node if node.op_type == "Conv"]
    assert {"backbone.root", "backbone.stages.0.1.reduce", "branch_32.neck.4", "branch_8.head"} <= set(names)
    assert len(set(names)) == len(names)


def test_report_and_descriptions_stand_beside_the_files(raw_export):
    assert sorted(path.name for path in raw_export.iterdir()) == [
        "export.json",
        "net.mindir",
        "net.mindir.json",
        "net.onnx",
        "net.onnx.json",
    ]
    report = json.loads((raw_export / "export.json").read_text(encoding="utf-8"))
    mean_std = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    for entry in report["files"]:
        path = raw_export / entry["file"]
        assert entry["bytes"] == path.stat().st_size
        assert 0 <= entry["largest_difference"] < 1e-3
        assert ModelDescription.read(path) == ModelDescription(
            (SIZE, SIZE), 1, "images", ANCHORS, ("a", "b"), (3, 9), False, False, *mean_std
        )
    assert path.stat().st_mode & 0o600 == 0o600


def test_description_has_the_fields_that_the_runner_reads(raw_export):
    value = json.loads((raw_export / "net.onnx.json").read_text(encoding="utf-8"))
    assert value["format"] == 1
    assert value["input_size"] == [SIZE, SIZE]
    assert value["anchors"][3] == [12, 12]
    assert (value["class_names"], value["category_ids"], value["letterbox"]) == (["a", "b"], [3, 9], False)


def test_kept_detection_gives_decoded_boxes(samples, tmp_path):
    assert export(tmp_path, *samples, "--keep_detect", "True", "--export_batch_size", "2") == 0
    network, settings = load_network(samples[1])
    images = np.random.default_rng(5).normal(size=(2, 3, SIZE, SIZE)).astype(np.float32)
    decoded = onnx_runner(tmp_path / "yolov3_darknet53.onnx")(images)
    for index, raw in enumerate(outputs_of(network, images)):
        side = raw.shape[2]
        assert decoded[index].shape == (2, side, side, 3, 7)
        # One prediction by hand: second image, second anchor, last row, first column.
        x, y, w, h, confidence, *classes = raw.reshape(2, 3, 7, side, side)[1, 1, :, side - 1, 0].astype(np.float64)
        width, height = settings.anchors[3 * index + 1]
        expected = [
            (1 / (1 + np.exp(-x)) + 0) / side,
            (1 / (1 + np.exp(-y)) + side - 1) / side,
            width * np.exp(w) / SIZE,
            height * np.exp(h) / SIZE,
            *(1 / (1 + np.exp(-np.array([confidence, *classes])))),
        ]
        np.testing.assert_allclose(decoded[index][1, side - 1, 0, 1], expected, rtol=2e-3, atol=1e-5)
    assert ModelDescription.read(tmp_path / "yolov3_darknet53.onnx").keep_detect


def test_air_is_refused_without_ascend_before_anything_is_done(samples, tmp_path, capfd):
    assert export(tmp_path / "out", *samples, "--file_format", "ONNX,AIR") == 1
    said = capfd.readouterr().err
    assert "AIR" in said and "Ascend" in said and "CPU" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("formats", ["", "ONNX,TFLITE"])
def test_unknown_formats_are_refused(formats):
    with pytest.raises(InputError, match="MINDIR, ONNX, AIR"):
        formats_of(formats, "CPU")


def test_truncated_checkpoint_is_one_sentence(samples, tmp_path, capfd):
    cut = tmp_path / "cut.ckpt"
    cut.write_bytes(samples[1].read_bytes()[:20_000])
    assert export(tmp_path / "out", samples[0], cut) == 1
    said = capfd.readouterr().err
    assert len(said.splitlines()) == 1 and str(cut) in said and "cut off" in said


def test_truncated_models_are_refused(raw_export, tmp_path, images):
    for name, run in (("net.mindir", mindir_runner), ("net.onnx", onnx_runner)):
        cut = tmp_path / name
        cut.write_bytes((raw_export / name).read_bytes()[:5_000])
        with pytest.raises(InputError, match=name):
            run(cut)(images)
    with pytest.raises(InputError, match="cut off"):
        read_onnx(tmp_path / "net.onnx")


def test_large_and_undefined_differences_are_refused():
    one = (np.array([1.0, -4.0], np.float32),)
    assert difference_of(one, (np.array([1.5, -4.0], np.float32),)) == Difference(0.5, 0.125)
    for other in (np.array([np.nan, -4.0], np.float32), np.zeros(3, np.float32)):
        with pytest.raises(InputError, match="differs"):
            require_close(difference_of(one, (other,)), Path("net.onnx"))
    with pytest.raises(InputError, match="differs"):
        require_close(Difference(0.5, 0.125), Path("net.onnx"))


def test_only_a_maximum_with_its_own_product_becomes_a_leaky_relu():
    nodes = [
        helper.make_node("Mul", ["slope", "x"], ["scaled"]),
        helper.make_node("Max", ["scaled", "x"], ["leaky"]),
        helper.make_node("Mul", ["steep", "x"], ["grown"]),
        helper.make_node("Max", ["grown", "x"], ["other"]),
        helper.make_node("Mul", ["slope", "y"], ["scaled_y"]),
        helper.make_node("Max", ["scaled_y", "x"], ["mixed"]),
    ]
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("x", "y")]
    result = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("leaky", "other", "mixed")]
    constants = [numpy_helper.from_array(np.array([v], np.float32), n) for n, v in (("slope", 0.1), ("steep", 3.0))]
    model = helper.make_model(
        helper.make_graph(nodes, "g", value, result, constants), opset_imports=[helper.make_opsetid("", 11)]
    )
    model.ir_version = 7
    inputs = {"x": np.array([-2, -0.5, 0, 3], np.float32), "y": np.array([1, -9, 4, 50], np.float32)}

    def run():
        return onnxruntime.InferenceSession(model.SerializeToString()).run(None, inputs)

    before = run()
    tidy_export(model)
    assert [node.op_type for node in model.graph.node].count("LeakyRelu") == 1
    for expected, found in zip(before, run(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_comparison_uses_a_real_image(raw_export, samples):
    report = json.loads((raw_export / "export.json").read_text(encoding="utf-8"))
    split = load_split(Manifest.read(samples[0]), "train")
    image = samples[0].parent / "train" / "images" / report["compared_on"]
    assert image.samefile(split.path(0))
    found = input_batch(split, NORMALISATIONS["imagenet"], ExportSettings(**report["settings"]))
    planes = normalise(place_image(read_image_rgb(image), (SIZE, SIZE), False)[0], NORMALISATIONS["imagenet"])
    np.testing.assert_array_equal(found, planes[None])
    network, _ = load_network(samples[1])
    assert network.settings == SETTINGS


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"anchors": [[0, 9]] * 9}, "anchors beyond 0.01 to 4096"),
        ({"anchors": [[9, 1e300]] * 9}, "anchors beyond 0.01 to 4096"),
        ({"mean_rgb": [0, 0, 2]}, "mean_rgb beyond 0 to 1"),
        ({"std_rgb": [1, 1, 0]}, "std_rgb beyond 0.001 to 1"),
    ],
)
def test_a_description_of_no_network_is_refused(tmp_path, values, problem):
    """As in the C++ program."""
    model = tmp_path / "model.onnx"
    anchors = tuple((8.0 * side, 9.0 * side) for side in range(1, 10))
    unit = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    ModelDescription((64, 64), 1, "images", anchors, ("a",), (1,), False, False, *unit).write(model)
    path = description_path(model)
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    with pytest.raises(InputError, match=re.escape(problem)):
        ModelDescription.read(model)
