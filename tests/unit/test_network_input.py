"""How images are fitted into a network: a checkpoint says it, all that run it read it, options override it aloud."""

import dataclasses
import json
import logging
import re

import cv2
import mindspore
import numpy as np
import pytest
from exported_samples import SETTINGS, SIZE, run_script, small_network, write_samples

from yolov3.config.trained_input import input_as_trained, training_input
from yolov3.errors import InputError
from yolov3.prediction import load_detector
from yolov3.weights.checkpoint import SETTINGS_KEY, read_checkpoint, save_checkpoint

UNKNOWN = dataclasses.replace(SETTINGS, testing_shape=None, letterbox=None)


@pytest.mark.parametrize(
    ("options", "expected"),
    [((None, None), (416, False)), ((None, None, "320"), (320, False)), ((96, True, 320), (96, True))],
)
def test_what_a_training_writes(options, expected):
    assert tuple(training_input(*options).values()) == expected


@pytest.mark.parametrize(
    ("carried", "given", "expected", "said"),
    [
        (SETTINGS, (None, None), (SIZE, False), []),
        (SETTINGS, (SIZE, False), (SIZE, False), []),
        (SETTINGS, (96, None), (96, False), [("WARNING", "a.ckpt has testing_shape 64; using 96 as given")]),
        (SETTINGS, (None, True), (SIZE, True), [("WARNING", "a.ckpt has letterbox false; using true as given")]),
        (
            UNKNOWN,
            (None, None),
            (416, False),
            [("INFO", "a.ckpt does not record .*: using testing_shape 416, letterbox false")],
        ),
        (UNKNOWN, (None, True), (416, True), [("INFO", "using testing_shape 416$")]),
        (UNKNOWN, (96, False), (96, False), []),
    ],
)
def test_a_checkpoint_says_and_an_option_overrides_with_a_warning(caplog, carried, given, expected, said):
    caplog.set_level(logging.INFO)
    assert tuple(input_as_trained("a.ckpt", carried, *given).values()) == expected
    assert [record.levelname for record in caplog.records] == [level for level, _ in said]
    for record, (_, sentence) in zip(caplog.records, said, strict=True):
        assert re.search(sentence, record.message)


def test_a_checkpoint_keeps_it_and_an_older_one_has_none(tmp_path):
    network = small_network()
    save_checkpoint(tmp_path / "new.ckpt", network, dataclasses.replace(SETTINGS, testing_shape=96, letterbox=True))
    settings = read_checkpoint(tmp_path / "new.ckpt").settings
    assert (settings.testing_shape, settings.letterbox) == (96, True)

    older = json.loads(SETTINGS.to_json())
    del older["testing_shape"], older["letterbox"]
    entries = [{"name": name, "data": value} for name, value in network.parameters_dict().items()]
    texts = {SETTINGS_KEY: json.dumps(older)}
    mindspore.save_checkpoint(entries, str(tmp_path / "old.ckpt"), append_dict=texts)
    assert read_checkpoint(tmp_path / "old.ckpt").settings == UNKNOWN
    detector = load_detector(tmp_path / "old.ckpt")
    assert (detector.model.input_size, detector.model.letterbox) == ((416, 416), False)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """(manifest, checkpoint) of a network of letterboxed images of 96 pixels."""
    folder = tmp_path_factory.mktemp("samples")
    manifest, checkpoint = write_samples(folder)
    save_checkpoint(checkpoint, small_network(), dataclasses.replace(SETTINGS, testing_shape=96, letterbox=True))
    return manifest, checkpoint


def stage_results(samples, folder, *words):
    """Detections of the evaluation, description of the export, and what predict finds, run with the same options."""
    manifest, checkpoint = samples
    common = ["--manifest", manifest, *words]
    assert run_script("eval_coco", *common, "--pretrained", checkpoint, "--output_dir", folder / "eval") == 0
    exported = ["--ckpt_file", checkpoint, "--file_format", "MINDIR", "--output_dir", folder]
    assert run_script("export", *common, *exported) == 0
    place = ["--input", manifest.parent / "val" / "images", "--output", folder / "predicted", "--score", 0.4]
    assert run_script("predict", "--ckpt", checkpoint, *place, *words) == 0
    description = json.loads((folder / "yolov3_darknet53.mindir.json").read_text())
    predictions = json.loads((folder / "predicted" / "predictions.json").read_text())
    return json.loads((folder / "eval" / "detections.json").read_text()), description, predictions


@pytest.mark.long
def test_stages_run_a_checkpoint_as_it_was_trained(samples, tmp_path, capfd):
    own = stage_results(samples, tmp_path / "own")
    assert "as given" not in capfd.readouterr().err
    assert (own[1]["input_size"], own[1]["letterbox"]) == ([96, 96], True)

    other = stage_results(samples, tmp_path / "other", "--testing_shape", 64, "--letterbox", "false")
    said = capfd.readouterr().err
    assert said.count("has testing_shape 96; using 64 as given") == 3
    assert said.count("has letterbox true; using false as given") == 3
    assert (other[1]["input_size"], other[1]["letterbox"]) == ([64, 64], False)
    assert other[0] != own[0] and other[2] != own[2]

    # Bins are for the exported model.
    bins = ["--manifest", samples[0], "--output_dir", tmp_path / "bins"]
    assert run_script("preprocess_bins", *bins, "--model", tmp_path / "own" / "yolov3_darknet53.mindir") == 0
    index = json.loads((tmp_path / "bins" / "index.json").read_text())
    assert (index["input_size"], index["letterbox"], index["mean_rgb"][0]) == ([96, 96], True, 0.485)


def test_detect_takes_a_path_or_rgb_pixels(samples, tmp_path):
    detector = load_detector(samples[1], score=0.4, max_detections=5)
    assert (detector.model.input_size, detector.model.letterbox) == ((96, 96), True)
    image_rgb = np.random.default_rng(3).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "street.png"), image_rgb[..., ::-1])
    detections, of_path = detector.detect(image_rgb), detector.detect(str(tmp_path / "street.png"))
    assert len(detections) == len(detections.names) == len(detections.scores) == len(detections.boxes_xyxy) == 5
    assert detections.names == ["ab"[label] for label in detections.labels]
    assert (detections.scores >= 0.4).all() and (np.diff(detections.scores) <= 0).all()
    x1, y1, x2, y2 = detections.boxes_xyxy.T
    assert (x1 >= 0).all() and (x1 <= x2).all() and (x2 <= 90).all()
    assert (y1 >= 0).all() and (y1 <= y2).all() and (y2 <= 70).all()
    np.testing.assert_array_equal(of_path.boxes_xyxy, detections.boxes_xyxy)
    assert of_path.names == detections.names
    assert len(load_detector(samples[1], score=1.0).detect(image_rgb)) == 0

    for wrong in (image_rgb / 255, image_rgb[..., 0], np.zeros((0, 9, 3), np.uint8), image_rgb.transpose(2, 0, 1)):
        with pytest.raises(InputError, match=r"pass uint8 \[H, W, 3\] in RGB order"):
            detector.detect(wrong)
    with pytest.raises(InputError, match="does not exist"):
        detector.detect("none.jpg")
    for options in ({"score": 30}, {"nms": -1}, {"testing_shape": 100}):
        with pytest.raises(InputError, match=f"{next(iter(options))} is {next(iter(options.values()))}"):
            load_detector(samples[1], **options)
