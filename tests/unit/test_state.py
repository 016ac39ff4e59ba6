"""What a training resumes from: only its own state, and no other is lost."""

import json
import logging
from unittest.mock import Mock

import mindspore
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn

from yolov3.errors import InputError
from yolov3.training import state
from yolov3.training.state import Progress, load_state, save_state, set_aside

IDENTITY = {
    "settings": {"lr": 0.1, "optimizer": "adamw"},
    "network": {"anchors": [[1, 2]]},
    "ranks": 1,
    "data": "abc",
    "code": {"": "p", "yolov3.training.loss": "1", "yolov3.boxes": "2"},
    "MindSpore": "2.10.0",
}
PROGRESS = Progress(step=7, best_ap=0.25, best_epoch=2, validation=[{"epoch": 2, "AP": 0.25}], seconds=12.5)


class Step(nn.Cell):
    def __init__(self, value):
        super().__init__()
        self.weight = Parameter(Tensor(np.full(3, value, np.float32)), name="weight")
        self.rate = Parameter(Tensor(np.full(2, value, np.float32)), name="learning_rate")


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "checkpoints" / "last.ckpt"
    save_state(path, Step(1.0), IDENTITY, PROGRESS)
    return path


def changed(place, value):
    """Return the identity with one entry changed, added, or (value None) removed."""
    copy = json.loads(json.dumps(IDENTITY))
    *parents, key = place
    inner = copy
    for parent in parents:
        inner = inner[parent]
    inner[key] = value
    if value is None:
        del inner[key]
    return copy


def test_round_trip(saved):
    step = Step(0.0)
    assert load_state(saved, step, IDENTITY) == (PROGRESS, "")
    assert step.weight.asnumpy().tolist() == [1, 1, 1]
    # The rates follow from the settings.
    assert step.rate.asnumpy().tolist() == [0, 0]


def test_there_is_none(tmp_path):
    assert load_state(tmp_path / "last.ckpt", Step(0.0), IDENTITY) == (None, "")


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        (changed(["settings", "lr"], 0.2), "lr was 0.1, is 0.2"),
        (changed(["settings", "optimizer"], None), 'optimizer was "adamw", is its baseline'),
        (changed(["settings", "flip"], 0), "flip was its baseline, is 0"),
        (changed(["network", "anchors"], [[3, 4]]), "network anchors was [[1, 2]], is [[3, 4]]"),
        (changed(["ranks"], 2), "ranks was 1, is 2"),
        (changed(["data"], "xyz"), 'data was "abc", is "xyz"'),
        (changed(["MindSpore"], "2.11.0"), 'MindSpore was "2.10.0", is "2.11.0"'),
        (changed(["code", "yolov3.training.loss"], "9"), "code of yolov3.training.loss"),
        (changed(["code", ""], "q"), "code of the program"),
    ],
)
def test_another_trainings_state_is_not_loaded_and_the_difference_is_named(saved, identity, reason):
    step = Step(0.0)
    assert load_state(saved, step, identity) == (None, reason)
    assert step.weight.asnumpy().tolist() == [0, 0, 0]


def test_many_differences_are_cut_short(saved):
    other = {**IDENTITY, "settings": {f"key_{number}": number for number in range(10)}}
    _, reason = load_state(saved, Step(0.0), other)
    assert reason.count(";") == state.MAX_DIFFERENCES_SHOWN and reason.endswith("; and 6 more differences")


def test_a_damaged_or_older_state(saved):
    mindspore.save_checkpoint([{"name": "weight", "data": Tensor(np.zeros(3, np.float32))}], str(saved))
    assert load_state(saved, Step(0.0), IDENTITY) == (None, "it was written by an earlier version of this program")
    saved.write_bytes(saved.read_bytes()[:20])
    assert load_state(saved, Step(0.0), IDENTITY)[1].startswith("it cannot be read")


def test_parameters_that_are_not_loaded_are_an_error(saved):
    class Larger(Step):
        def __init__(self):
            super().__init__(0.0)
            self.more = Parameter(Tensor(np.zeros(2, np.float32)), name="more")

    with pytest.raises(InputError, match=r"parameters more\): move its folder away"):
        load_state(saved, Larger(), IDENTITY)


def test_set_aside_keeps_all_under_the_first_free_name(saved, caplog):
    folder = saved.parent
    (folder.parent / "checkpoints_1").mkdir()
    with caplog.at_level(logging.WARNING):
        set_aside(folder, "lr was 0.1, is 0.2")
    kept = folder.parent / "checkpoints_2"
    assert not folder.exists() and (kept / "last.ckpt").is_file()
    (message,) = caplog.messages
    assert str(folder) in message and str(kept) in message and "lr was 0.1, is 0.2" in message


@pytest.mark.parametrize(
    ("entry", "text"),
    [("progress", "{}"), ("progress", "[" * 10_000), ("identity", "3"), ("identity", "{"), ("progress", "3")],
)
def test_a_damaged_text_in_a_state_is_told(saved, monkeypatch, entry, text):
    step = Step(0.0)
    state_of = mindspore.load_checkpoint
    monkeypatch.setattr(mindspore, "load_checkpoint", lambda path: {**state_of(path), entry: text})
    progress, reason = load_state(saved, step, IDENTITY)
    assert progress is None and reason.startswith("it is damaged")
    assert step.weight.asnumpy().tolist() == [0, 0, 0]


def test_whatever_the_loader_raises_is_told(saved, monkeypatch):
    monkeypatch.setattr(mindspore, "load_checkpoint", Mock(side_effect=SystemError("x")))
    assert load_state(saved, Step(0.0), IDENTITY) == (None, "it cannot be read (SystemError)")


def test_a_parameter_of_another_shape_is_refused(saved):
    step = Step(0.0)
    step.weight = Parameter(Tensor(np.zeros(4, np.float32)), name="weight")
    with pytest.raises(InputError, match=r"last\.ckpt does not fit this training \(.*weight.*\): move its folder away"):
        load_state(saved, step, IDENTITY)
