"""The search for an int8 model within a bound: against models whose accuracy is known."""

import contextlib
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from exported_samples import SIZE, run_script, write_samples
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from yolov3.data.annotations import load_split
from yolov3.data.manifest import Manifest
from yolov3.evaluation.true_boxes import TrueBoxes
from yolov3.export.description import ModelDescription
from yolov3.export.onnx_file import layer_of
from yolov3.export.runners import onnx_runner
from yolov3.quantization import bound
from yolov3.quantization.accuracy import SearchImages
from yolov3.quantization.calibration import CalibrationFolder, draw_images
from yolov3.quantization.qdq import quantize_qdq
from yolov3.quantization.search import Attempt, Int8Settings, search_int8
from yolov3.quantization.sensitivity import LayerSensitivity, layer_sensitivities

LAYERS = [f"layer {number}" for number in range(20)]


class Models:
    """Models of which `ap` tells the AP by settings and layers in float."""

    def __init__(self, ap, *alternatives):
        self.ap = ap
        self.alternatives = alternatives
        self.tried = []
        self.ranked = 0

    def attempt(self, settings, layers):
        self.tried.append((str(settings), len(layers)))
        return Attempt(settings, layers, self.ap(settings, layers), 1.0, Path("model"), {})

    def ranked_layers(self):
        self.ranked += 1
        return LAYERS

    def search(self, min_ap, first=("head",)):
        alternatives = ({"method": "MAX_MIN"}, {"method": "KL"}, *self.alternatives)
        return search_int8(self.attempt, Int8Settings("MAX_MIN"), alternatives, first, self.ranked_layers, min_ap)


def test_a_first_model_that_is_enough_is_the_only_one():
    models = Models(lambda settings, layers: 0.5)
    result = models.search(0.5)
    assert models.tried == [("MAX_MIN", 1)] and models.ranked == 0
    assert result.chosen is result.attempts[0]


def test_another_method_comes_before_layers_in_float():
    models = Models(lambda settings, layers: 0.5 if settings.method == "KL" else 0.4)
    assert models.search(0.5).chosen.settings.method == "KL"
    assert models.tried == [("MAX_MIN", 1), ("KL", 1)] and models.ranked == 0


def test_alternatives_add_up_until_the_bound_is_kept():
    """Each is added to the best settings so far, and dropped again if it does not help."""

    def ap(settings, layers):
        lost = 0.1 * (not settings.bias_correction) + 0.05 * (settings.calibration_share == 1)
        return 0.3 + 0.1 * settings.equalize - lost

    further = ({"equalize": True}, {"bias_correction": False}, {"calibration_share": 0.5}, {"method": "other"})
    models = Models(ap, *further)
    result = models.search(0.4)
    assert [settings for settings, _ in models.tried] == [
        "MAX_MIN",
        "KL",
        "MAX_MIN, equalised weights",
        "MAX_MIN, equalised weights, no bias correction",
        "MAX_MIN, equalised weights, 50% of the images",
    ]
    assert result.chosen.settings == Int8Settings("MAX_MIN", equalize=True, calibration_share=0.5)
    assert models.ranked == 0


@pytest.mark.parametrize("needed", [1, 2, 3, 7, 8, 11, 20])
def test_the_fewest_layers_that_are_enough_are_found(needed):
    # The better method keeps the bound with the first `needed` ranked layers in float.
    models = Models(
        lambda settings, layers: 0.3 + 0.1 * (settings.method == "KL") + 0.01 * min(len(layers) - 1, needed)
    )
    result = models.search(0.4 + 0.01 * needed - 1e-9)
    assert result.chosen.settings.method == "KL"
    assert result.chosen.float_layers == ("head", *LAYERS[:needed])
    assert models.ranked == 1
    assert len(models.tried) <= 2 + 2 * np.ceil(np.log2(needed + 1)) + 1


def test_the_best_model_is_chosen_if_none_is_enough():
    models = Models(lambda settings, layers: 0.4 if len(layers) == 5 else 0.3)
    result = models.search(0.9)
    assert len(result.chosen.float_layers) == 5
    assert max(count for _, count in models.tried) == 21


def test_layers_given_by_a_pattern_are_not_tried_twice():
    class Resolving(Models):
        def attempt(self, settings, layers):
            names = tuple(dict.fromkeys(LAYERS[:18] if layers[0] == "layer *" else layers))
            return super().attempt(settings, names + tuple(layers[1:] if layers[0] == "layer *" else ()))

    models = Resolving(lambda settings, layers: 0.1)
    models.search(0.5, first=("layer *",))
    # Only the two layers that the pattern does not match are added.
    assert models.tried == [("MAX_MIN", 18), ("KL", 18), ("MAX_MIN", 19), ("MAX_MIN", 20)]


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """A small data set, its exported network, and calibration images."""
    folder = tmp_path_factory.mktemp("söme data")
    manifest, checkpoint = write_samples(folder, images=8)
    words = ["--manifest", manifest, "--testing_shape", SIZE]
    assert run_script("export", *words, "--ckpt_file", checkpoint, "--file_format", "ONNX", "--output_dir", folder) == 0
    words += ["--output_dir", folder / "calibration", "--calibration", 1, "--calibration_images", 3]
    assert run_script("preprocess_bins", *words) == 0
    return manifest, folder / "yolov3_darknet53.onnx", folder / "calibration"


def test_search_images_are_training_images_that_do_not_calibrate(samples):
    manifest = Manifest.read(samples[0])
    train = load_split(manifest, "train")
    images = SearchImages.draw(manifest, 4, calibration_images=3, seed=1)
    calibration = {train.file_names[index] for index in draw_images(train, 3, 1)}
    assert len(set(images.split.file_names)) == 4
    assert set(images.split.file_names) <= set(train.file_names) - calibration
    # Each image has its own boxes, in both forms.
    whole = TrueBoxes.of_split(manifest, "train")
    for index, name in enumerate(images.split.file_names):
        source = train.file_names.index(name)
        np.testing.assert_array_equal(images.split.boxes_of(index)[0], train.boxes_of(source)[0])
        np.testing.assert_array_equal(images.split.boxes_of(index)[1], train.boxes_of(source)[1])
        np.testing.assert_array_equal(
            images.truth.boxes_xywh[images.truth.image_index == index], whole.boxes_xywh[whole.image_index == source]
        )
    assert len(SearchImages.draw(manifest, 100, 3, 1).split) == 5
    assert SearchImages.draw(manifest, 4, calibration_images=8, seed=1) is None


def test_sensitivities_are_those_of_models_with_one_int8_layer(samples, tmp_path):
    _, model, folder = samples
    description = ModelDescription.read(model)
    calibration = CalibrationFolder.read(folder, description.input_size, description.mean_std)
    layers = layer_sensitivities(model, calibration)
    assert len({layer.name for layer in layers}) == len(layers) > 20
    worth = [layer.error / layer.float_bytes for layer in layers]
    assert worth == sorted(worth, reverse=True) and worth[0] > 10 * worth[-1]
    # By hand for the first layer: all others in float.
    others = ",".join(layer.name for layer in layers[1:])
    quantize_qdq(model, tmp_path / "one.onnx", calibration, "MAX_MIN", others)
    batches = list(calibration.batches(1))
    exact, found = ([run(batch) for batch in batches] for run in map(onnx_runner, (model, tmp_path / "one.onnx")))
    shares = []
    for index in range(3):
        square = np.mean([np.square(one[index]).mean() for one in exact])
        shares.append(
            np.mean([np.square(b[index] - a[index]).mean() for a, b in zip(exact, found, strict=True)]) / square
        )
    assert layers[0].error == pytest.approx(np.mean(shares), rel=1e-5)


def quantize(samples, folder, *more):
    manifest, model, calibration = samples
    words = ["--quant_backend", "qdq", "--model", model, "--calibration_dir", calibration, "--manifest", manifest]
    words += ["--output", folder / "int8 ü.onnx", "--search_images", 4, "--calibration_images", 3]
    return run_script("post_quant", *words, *more)


def test_measured_as_the_evaluation_does(samples, tmp_path):
    """Against pycocotools on the detections of the evaluation, of which every third is taken for true."""
    manifest, model, _ = samples
    split, boxes = load_split(Manifest.read(manifest), "val"), TrueBoxes.of_split(Manifest.read(manifest), "val")
    assert run_script("eval_coco", "--manifest", manifest, "--pretrained", model, "--output_dir", tmp_path) == 0
    found = json.loads((tmp_path / "detections.json").read_text())
    dataset = {
        "info": {},
        "images": [{"id": image_id} for image_id in boxes.ids.image_ids],
        "categories": [{"id": number, "name": str(number)} for number in boxes.ids.category_ids],
        "annotations": [
            {**entry, "id": number, "area": entry["bbox"][2] * entry["bbox"][3], "iscrowd": 0}
            for number, entry in enumerate(found[::3], 1)
        ],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = dataset
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()

    ap, milliseconds = SearchImages(split, TrueBoxes.of(dataset)).measure(model, None)

    assert ap == evaluation.stats[0] > 0.05
    assert milliseconds > 0


@pytest.fixture(autouse=True)
def quick_sensitivities(request, monkeypatch):
    """Ranks layers in the order of the network, because measuring them takes seconds."""

    def ranked(model, calibration, on_layer):
        nodes = [node for node in onnx.load(model).graph.node if node.op_type == "Conv"]
        return [LayerSensitivity(layer_of(node), 1 / number, 1) for number, node in enumerate(nodes, 1)]

    if "samples" in request.fixturenames and "sensitivities" not in request.node.name:
        monkeypatch.setattr(bound, "layer_sensitivities", ranked)


@pytest.fixture
def known_accuracy(monkeypatch):
    """Measures AP by the number of quantized convolutions instead of by the images; returns the measured models."""
    measured = []

    def measure(self, model, program):
        weights = sum(node.op_type == "DequantizeLinear" for node in onnx.load(model).graph.node)
        measured.append(hashlib.sha256(model.read_bytes()).hexdigest())
        return 0.5 - weights / 10_000, 1.0

    monkeypatch.setattr(SearchImages, "measure", measure)
    return measured


def test_the_stage_writes_the_chosen_model_and_tells_what_it_tried(samples, tmp_path, known_accuracy):
    # All convolutions quantized lose more than 0.008, those without some of them less.
    assert quantize(samples, tmp_path, "--max_ap_drop", 0.008, "--skip_layers", "") == 0
    summary = json.loads((tmp_path / "quant.json").read_text())
    search = summary["search"]
    numbers = [tried["float_layers"] for tried in search["attempts"]]
    # Three methods, and two other alternatives, which change nothing here.
    assert numbers[:5] == [0] * 5 and numbers[5] > 0 and len(numbers) > 6
    enough = [tried["float_layers"] for tried in search["attempts"] if 0.5 - tried["AP"] <= 0.008]
    assert search["is_kept"] and len(summary["layers_kept_float"]) == min(enough) > 0
    # The layers are those worth most, and the file is the one that was measured.
    assert set(summary["layers_kept_float"]) == {layer["name"] for layer in search["sensitivities"][: min(enough)]}
    assert hashlib.sha256((tmp_path / "int8 ü.onnx").read_bytes()).hexdigest() in known_accuracy
    assert summary["int8_model"]["bytes"] == (tmp_path / "int8 ü.onnx").stat().st_size
    assert {path.name for path in tmp_path.iterdir()} == {"int8 ü.onnx", "int8 ü.onnx.json", "quant.json"}


def test_a_bound_that_nothing_keeps_is_told(samples, tmp_path, monkeypatch, capsys):
    aps = iter([0.5, *[0.4] * 100])
    monkeypatch.setattr(SearchImages, "measure", lambda self, model, program: (next(aps), 1.0))
    folder = tmp_path / "new" / "folder"
    assert quantize(samples, folder, "--max_ap_drop", 0.05) == 0
    assert "no int8 model loses at most 0.05 AP on 4 training images: the best one found loses 0.1000" in (
        capsys.readouterr().err
    )
    assert json.loads((folder / "quant.json").read_text())["search"]["is_kept"] is False


def test_without_images_to_measure_on_there_is_no_bound(samples, tmp_path, capsys):
    assert quantize(samples, tmp_path, "--calibration_images", 8) == 0
    assert "max_ap_drop is not checked, because all training images with boxes calibrate" in capsys.readouterr().err
    assert "search" not in json.loads((tmp_path / "quant.json").read_text())
