"""State of a running training, to resume from after an interruption: one file, which is never partially written."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mindspore
from mindspore import nn

from yolov3.config.identity import tracked_values
from yolov3.config.sources import loaded_digests
from yolov3.errors import InputError, first_line
from yolov3.files import complete_file, json_value
from yolov3.network.settings import NetworkSettings
from yolov3.training.settings import TrainSettings
from yolov3.weights.checkpoint import quiet_mindspore

# Prefix of the names of sums of gradients within a step.
GRADIENT_SUM = "gradient_sum"
# The optimizer keeps the rates of all steps as a parameter; they follow from the settings. Sums are 0 between steps.
NOT_SAVED = ("learning_rate", GRADIENT_SUM)
# Settings that a checkpoint stores for later stages and that the training itself does not use.
CARRIED = ("testing_shape", "letterbox")
MAX_DIFFERENCES_SHOWN = 6


@dataclass
class Progress:
    """Progress of a training.

    Attributes:
        step: number of finished steps.
        best_ap: best validation AP so far, -1 before the first evaluation.
        best_epoch: epoch (counted from 1) of the best AP, 0 before the first evaluation.
        validation: evaluations so far, each with epoch, iter, AP, AP50.
        seconds: training time so far, over all runs.
    """

    step: int
    best_ap: float
    best_epoch: int
    validation: list[dict[str, Any]]
    seconds: float


def training_identity(
    settings: TrainSettings, network: NetworkSettings, ranks: int, origin: dict[str, Any]
) -> dict[str, Any]:
    """Return everything that determines the result of a training, as JSON values.

    Args:
        settings: settings of the training, of which those that differ from the schema's baselines count.
        network: settings of the network.
        ranks: number of ranks.
        origin: fingerprints of the data and of the initial weights, and settings of the validation.
    """
    values = settings.config_values()
    general = {key: values.pop(key) for key in ("seed", "device_target")}
    identity = {
        "settings": {**tracked_values("", general), **tracked_values("train", values)},
        "network": {key: value for key, value in json.loads(network.to_json()).items() if key not in CARRIED},
        "ranks": ranks,
        **origin,
        "code": loaded_digests(),
        "MindSpore": mindspore.__version__,
    }
    return json.loads(json.dumps(identity))


def save_state(path: Path, train_step: nn.Cell, identity: dict[str, Any], progress: Progress) -> None:
    """Write network, optimizer and progress to `path`."""
    parameters = [{"name": name, "data": value} for name, value in _saved_parameters(train_step).items()]
    texts = {"identity": json.dumps(identity), "progress": json.dumps(vars(progress))}
    with complete_file(path) as temporary:
        mindspore.save_checkpoint(parameters, str(temporary), append_dict=texts)


def load_state(path: Path, train_step: nn.Cell, identity: dict[str, Any]) -> tuple[Progress | None, str]:
    """Load a state into network and optimizer.

    Returns:
        Its progress, or None if there is no state of this training; and the reason if an existing state was not loaded.

    Raises:
        InputError: the parameters of the state and of the training differ.
    """
    if not path.exists():
        return None, ""
    try:
        with quiet_mindspore():
            state = mindspore.load_checkpoint(str(path))
    except Exception as error:
        # MindSpore raises errors of many types, depending on which bytes are damaged.
        return None, f"it cannot be read ({type(error).__name__})"
    if "identity" not in state:
        return None, "it was written by an earlier version of this program"
    try:
        texts = {name: state.pop(name) for name in ("identity", "progress")}
        progress = Progress(**json_value(texts["progress"]))
        differences = list(_differences(json_value(texts["identity"]), identity))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return None, f"it is damaged ({type(error).__name__})"
    if differences:
        shown = "; ".join(differences[:MAX_DIFFERENCES_SHOWN])
        hidden = len(differences) - MAX_DIFFERENCES_SHOWN
        return None, shown + (f"; and {hidden} more differences" if hidden > 0 else "")
    try:
        with quiet_mindspore():
            not_loaded, unused = mindspore.load_param_into_net(train_step, state, strict_load=True)
    except (RuntimeError, ValueError, TypeError) as error:
        # Of a damaged state, which has the identity of this training but other shapes or types.
        raise InputError(
            f"state {path} does not fit this training ({first_line(error)}): move its folder away to start from scratch"
        ) from None
    mismatched = [*(name for name in not_loaded if not name.startswith(NOT_SAVED)), *unused]
    if mismatched:
        names = ", ".join(mismatched[:3])
        raise InputError(
            f"state {path} does not fit this training (parameters {names}): move its folder away to start from scratch"
        )
    return progress, ""


def set_aside(folder: Path, reason: str) -> None:
    """Rename the folder of another training's state to the first unused name <folder>_<n>, and log why."""
    candidates = (folder.with_name(f"{folder.name}_{number}") for number in range(1, 10_000))
    new_folder = next(path for path in candidates if not path.exists())
    folder.rename(new_folder)
    logging.warning(
        "%s has the state of another training (%s): it was renamed to %s and this training starts from its first step; "
        "delete it, or restore the former values and rename it back to resume from it",
        folder,
        reason,
        new_folder,
    )


def _saved_parameters(train_step: nn.Cell) -> dict[str, Any]:
    named = ((parameter.name, parameter) for _, parameter in train_step.parameters_and_names())
    return {name: parameter for name, parameter in named if not name.startswith(NOT_SAVED)}


def _differences(old_values: dict[str, Any], new_values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield a description of each difference between two identities, by key or module."""
    for key in dict.fromkeys([*old_values, *new_values]):
        name, old, new = f"{prefix}{key}", old_values.get(key), new_values.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, "" if key == "settings" else f"{key} ")
        elif old != new and prefix == "code ":
            yield f"code of {key or 'the program'}"
        elif old != new:
            shown = ["its baseline" if value is None else json.dumps(value) for value in (old, new)]
            yield f"{name} was {shown[0]}, is {shown[1]}"
