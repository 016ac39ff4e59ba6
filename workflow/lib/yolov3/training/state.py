"""What a running training needs to go on after it was killed: one file, written whole or not at all."""

import hashlib
import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mindspore
from mindspore import nn

from yolov3.files import complete_file

# The rates of all steps, which the optimizer keeps as a parameter, follow from the settings.
NOT_SAVED = ("learning_rate",)


@dataclass
class Progress:
    """Where a training stands.

    Attributes:
        step: steps done.
        best_ap: best validation AP so far, -1 before the first.
        best_epoch: epoch (counted from 1) of the best AP, 0 before the first.
        validation: the evaluations so far: epoch, iter, AP, AP50.
        seconds: time trained so far, over all runs.
    """

    step: int
    best_ap: float
    best_epoch: int
    validation: list[dict[str, Any]]
    seconds: float


def training_fingerprint(values: dict[str, Any]) -> str:
    """Return a digest of all that decides a training's result: `values` and the code of this package in use."""
    digest = hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode())
    for name in sorted(sys.modules):
        if name.split(".")[0] == "yolov3":
            source = getattr(sys.modules[name], "__file__", None)
            digest.update(name.encode() + (Path(source).read_bytes() if source else b""))
    return digest.hexdigest()


def save_state(path: Path, train_step: nn.Cell, fingerprint: str, progress: Progress) -> None:
    """Write network, optimizer and progress to `path`."""
    parameters = [
        {"name": parameter.name, "data": parameter}
        for _, parameter in train_step.parameters_and_names()
        if not parameter.name.startswith(NOT_SAVED)
    ]
    about = {"fingerprint": fingerprint, "progress": json.dumps(vars(progress))}
    with complete_file(path) as temporary:
        mindspore.save_checkpoint(parameters, str(temporary), append_dict=about)


def load_state(path: Path, train_step: nn.Cell, fingerprint: str) -> Progress | None:
    """Load a state into network and optimizer and return its progress, or None if there is none of this run.

    A state of other settings, data or code is not used: the training starts afresh, and the log says so.
    """
    if not path.exists():
        return None
    try:
        state = mindspore.load_checkpoint(str(path))
    except (ValueError, RuntimeError) as error:
        logging.warning("%s cannot be read (%s): training starts afresh", path, type(error).__name__)
        return None
    if state.pop("fingerprint", None) != fingerprint:
        logging.info("%s is of other settings, data or code: training starts afresh", path)
        return None
    progress = Progress(**json.loads(state.pop("progress")))
    mindspore.load_param_into_net(train_step, state, strict_load=True)
    return progress
