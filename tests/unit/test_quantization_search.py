"""The search for an int8 model within a bound: against models whose accuracy is known."""

import json
from pathlib import Path

import numpy as np
import pytest
from exported_samples import SIZE, run_script, write_samples

from yolov3.data.annotations import load_split
from yolov3.data.manifest import Manifest
from yolov3.errors import InputError
from yolov3.evaluation.true_boxes import TrueBoxes
from yolov3.export.description import ModelDescription
from yolov3.export.runners import onnx_runner
from yolov3.quantization.accuracy import SearchImages
from yolov3.quantization.calibration import CalibrationFolder, draw_images
from yolov3.quantization.qdq import quantize_qdq
from yolov3.quantization.search import Attempt, search_int8
from yolov3.quantization.sensitivity import layer_sensitivities

LAYERS = [f"layer {number}" for number in range(20)]


class Models:
    """Models of which `ap` tells the AP by method and layers in float."""

    def __init__(self, ap):
        self.ap = ap
        self.tried = []
        self.ranked = 0

    def attempt(self, method, layers):
        self.tried.append((method, len(layers)))
        return Attempt(method, layers, self.ap(method, layers), 1.0, Path("model"), {})

    def ranked_layers(self):
        self.ranked += 1
        return LAYERS

    def search(self, min_ap, first=("head",)):
        return search_int8(self.attempt, ["MAX_MIN", "KL"], first, self.ranked_layers, min_ap)


def test_a_first_model_that_is_enough_is_the_only_one():
    models = Models(lambda method, layers: 0.5)
    result = models.search(0.5)
    assert models.tried == [("MAX_MIN", 1)] and models.ranked == 0
    assert result.chosen is result.attempts[0]


def test_another_method_comes_before_layers_in_float():
    models = Models(lambda method, layers: 0.5 if method == "KL" else 0.4)
    assert models.search(0.5).chosen.method == "KL"
    assert models.tried == [("MAX_MIN", 1), ("KL", 1)] and models.ranked == 0


@pytest.mark.parametrize("needed", [1, 2, 3, 7, 8, 11, 20])
def test_the_fewest_layers_that_are_enough_are_found(needed):
    # The better method keeps the bound with the first `needed` ranked layers in float.
    models = Models(lambda method, layers: 0.3 + 0.1 * (method == "KL") + 0.01 * min(len(layers) - 1, needed))
    result = models.search(0.4 + 0.01 * needed - 1e-9)
    assert result.chosen.method == "KL"
    assert result.chosen.float_layers == ("head", *LAYERS[:needed])
    assert models.ranked == 1
    assert len(models.tried) <= 2 + 2 * np.ceil(np.log2(needed + 1)) + 1


def test_the_best_model_is_chosen_if_none_is_enough():
    models = Models(lambda method, layers: 0.4 if len(layers) == 5 else 0.3)
    result = models.search(0.9)
    assert len(result.chosen.float_layers) == 5
    assert max(count for _, count in models.tried) == 21


def test_layers_given_by_a_pattern_are_not_tried_twice():
    models = Models(lambda method, layers: 0.1)
    models.search(0.5, first=tuple(LAYERS[:19]))
    assert models.tried == [("MAX_MIN", 19), ("KL", 19), ("MAX_MIN", 20)]


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
    with pytest.raises(InputError, match="all 8 training images calibrate the model"):
        SearchImages.draw(manifest, 4, calibration_images=8, seed=1)


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


@pytest.mark.parametrize(("bound", "is_kept"), [("1", True), ("0", False)])
def test_the_stage_tells_what_it_tried(samples, tmp_path, bound, is_kept, caplog):
    manifest, model, calibration = samples
    words = ["--quant_backend", "qdq", "--model", model, "--calibration_dir", calibration, "--manifest", manifest]
    words += ["--output", tmp_path / "int8 ü.onnx", "--max_ap_drop", bound, "--search_images", 4]
    assert run_script("post_quant", *words, "--calibration_images", 3) == 0
    search = json.loads((tmp_path / "quant.json").read_text())["search"]
    assert search["images"] == 4 and search["max_ap_drop"] == float(bound)
    assert search["is_kept"] == (search["float_AP"] - search["AP"] <= float(bound))
    assert len(search["attempts"]) == 1 if is_kept else len(search["attempts"]) >= 1
    assert {path.name for path in tmp_path.iterdir()} == {"int8 ü.onnx", "int8 ü.onnx.json", "quant.json"}
