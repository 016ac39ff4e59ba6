"""What the report says of a network that has learned next to nothing."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from report_inputs import metrics, summary, write_json, write_steps

from yolov3.config.config import complete_config
from yolov3.data.annotations import CocoSplit
from yolov3.report.data import read_accuracy, read_training
from yolov3.report.diagnosis import causes_of, symptoms_of

NAMES = ("cat", "dog")
MODERN = {"recipe": "modern", "eval": {"letterbox": True, "testing_shape": 320}}


@pytest.fixture
def training(tmp_path):
    """1,234 updates, with losses from 100 down to 100 / 60."""
    return read_training(write_steps(tmp_path / "metrics.csv"), write_json(tmp_path / "train.json", summary()))


def of_losses(training, losses):
    return dataclasses.replace(training, steps={**training.steps, "loss": np.array(losses, float)})


def accuracy_of(tmp_path, value=0.4, by_class=()):
    content = metrics(NAMES, value)
    for name, changes in by_class:
        content["per_class"][name] |= changes
    return read_accuracy("MindSpore", write_json(tmp_path / "metrics.json", content))


def split(box_wh=(60, 60), image_wh=(320, 240), counts=(30, 30)):
    """One image with boxes of one size, `counts` of each class."""
    box_count = sum(counts)
    return CocoSplit(
        image_dir=Path("images"),
        image_ids=(1,),
        file_names=("a.jpg",),
        sizes_wh=np.array([image_wh], np.int32),
        first_box=np.array([0, box_count]),
        boxes_xyxy=np.tile(np.array([0, 0, *box_wh], np.float32), (box_count, 1)),
        labels=np.repeat([0, 1], counts).astype(np.int32),
        is_crowd=np.zeros(box_count, bool),
    )


def causes(training, images, config):
    return causes_of(complete_config(config), training, images, NAMES)


def test_a_network_that_has_learned_shows_no_symptom(tmp_path, training):
    assert symptoms_of(accuracy_of(tmp_path), training) == []
    assert symptoms_of(accuracy_of(tmp_path, -1), training) == []
    assert symptoms_of(accuracy_of(tmp_path, 0.05), None) == []


def test_each_symptom_is_told(tmp_path, training):
    assert symptoms_of(accuracy_of(tmp_path, 0.049), training) == ["AP is 0.049"]
    # The first and the last tenth of twenty logged steps: 100 and 75.
    losses = [100, 100, *[90] * 16, 80, 70]
    found = symptoms_of(accuracy_of(tmp_path), of_losses(training, losses))
    assert found == ["the loss ends at 75% of its start"]
    assert symptoms_of(accuracy_of(tmp_path), of_losses(training, [*losses[:-2], 60, 60])) == []
    never = [("dog", {"AP": 0.0, "boxes": 20})]
    assert symptoms_of(accuracy_of(tmp_path, by_class=never), training) == ["no correct detection of dog"]
    rare = [("dog", {"AP": 0.0, "boxes": 19})]
    assert symptoms_of(accuracy_of(tmp_path, by_class=rare), training) == []


def test_nothing_is_blamed_that_is_right(training):
    assert causes(training, split(), MODERN) == []


@pytest.mark.parametrize(
    ("images", "config", "sentence"),
    [
        (split(), {**MODERN, "eval": {"letterbox": False, "testing_shape": 320}}, "1.33 : 1, but the evaluation squ"),
        (split(image_wh=(240, 320)), {**MODERN, "eval": {"letterbox": False}}, "0.75 : 1, but the evaluation squeezes"),
        (
            split(box_wh=(200, 8)),
            {**MODERN, "network": {"anchor_scales": [[60, 60]] * 9}},
            r"anchors overlap the training boxes by 0\.10 only",
        ),
        (split(box_wh=(7, 7)), MODERN, "100% of the boxes are smaller than 8 pixels in the input of 320"),
        (split(), {**MODERN, "train": {"scale_max": 2.5}}, "1 images are few for changes of size by 0.8 to 2.5"),
        (split(counts=(19, 41)), MODERN, r"few training boxes of cat \(19\): annotate more"),
    ],
)
def test_each_cause_is_checked_on_the_data(training, images, config, sentence):
    config = complete_config(config)
    config["eval"]["testing_shape"] = 320
    (cause,) = causes_of(config, training, images, NAMES)
    assert re.search(sentence, cause)


def test_short_trainings_come_first(training):
    short = dataclasses.replace(of_losses(training, [10.0] * 20), updates=999)
    first, last = causes(short, split(), MODERN)
    assert first.startswith("999 updates are few: raise train.max_epoch")
    assert last == "the learning rate may not fit: try train.lr 0.003 and 0.00033"
