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
    """1,234 updates of size slim, with losses from 100 down to 100 / 60."""
    written = write_json(tmp_path / "train.json", {**summary(), "parameters": 3_900_000})
    return read_training(write_steps(tmp_path / "metrics.csv"), written)


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
    # A trained network begins where the loss has fallen already.
    assert symptoms_of(accuracy_of(tmp_path), of_losses(training, losses), is_finetuned=True) == []
    assert symptoms_of(accuracy_of(tmp_path, 0.049), training, is_finetuned=True) == ["AP is 0.049"]
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
        (split(image_wh=(240, 320)), {**MODERN, "eval": {"letterbox": False}}, "1.33 : 1, but the evaluation squeezes"),
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


def test_pictures_of_both_orientations_are_squeezed_too(training):
    one = split()
    both = dataclasses.replace(
        one,
        image_ids=(1, 2),
        file_names=("a.jpg", "b.jpg"),
        sizes_wh=np.array([(320, 240), (240, 320)], np.int32),
        first_box=np.array([0, 30, 60]),
    )
    config = {**MODERN, "eval": {"letterbox": False, "testing_shape": 320}}
    (cause,) = causes(training, both, config)
    assert "1.33 : 1, but the evaluation squeezes" in cause


@pytest.mark.parametrize(
    ("parameters", "updates", "start", "said"),
    [
        (
            62_000_000,
            1240,
            {"backbone": {"source": "none"}},
            "for a network of 62.0 million random weights: raise train",
        ),
        (62_000_000, 4000, {"backbone": {"source": "none"}}, ""),
        (62_000_000, 1240, {"backbone": {"source": "darknet53.conv.74"}}, ""),
        (
            62_000_000,
            999,
            {"backbone": {"source": "darknet53.conv.74"}},
            "few: raise train.max_epoch, lower train.per_b",
        ),
        (3_900_000, 1000, {"backbone": {"source": "fresh"}}, ""),
        (1_000_000, 999, {"backbone": {"source": "fresh"}}, "few for a network of 1.0 million random weights: raise"),
        (62_000_000, 1240, {"train": {"resume_yolov3": "yolov3.ckpt"}, "backbone": {"source": "none"}}, ""),
    ],
)
def test_how_many_updates_are_few_depends_on_network_and_start(training, parameters, updates, start, said):
    trained = dataclasses.replace(training, parameters=parameters, updates=updates)
    found = causes(trained, split(), {**MODERN, **start})
    assert len(found) == bool(said)
    assert not said or said in found[0]


def test_a_finetuning_is_not_sent_to_trained_weights(training):
    short = dataclasses.replace(training, updates=10)
    (cause,) = causes(short, split(), {**MODERN, "train": {"resume_yolov3": "yolov3.ckpt"}})
    assert cause == "10 updates are few: raise train.max_epoch, lower train.per_batch_size"


def test_boxes_that_the_input_does_not_show_are_the_cause(training):
    (cause,) = causes(training, split(box_wh=(0.5, 0.5)), MODERN)
    assert cause.startswith("no box of the images in images is at least 1 pixel wide and high at an input of 320 x 320")
