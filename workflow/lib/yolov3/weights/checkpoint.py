"""Save and load MindSpore checkpoints that carry their network's settings."""

import dataclasses
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import mindspore
import numpy as np
from mindspore import Parameter, Tensor, nn
from mindspore import log as mindspore_log

from yolov3.errors import InputError
from yolov3.files import complete_file, json_value
from yolov3.network.settings import NetworkSettings
from yolov3.network.yolo import YOLOv3
from yolov3.weights.layers import BACKBONE_PREFIX

SETTINGS_KEY = "network_settings"
# Part of the names of the heads' parameters, the only ones whose shapes depend on the number of classes.
HEAD_MARK = ".head."


@dataclass(frozen=True)
class Checkpoint:
    """Content of a checkpoint file.

    Attributes:
        path: where it was read.
        parameters: parameter name -> MindSpore parameter.
        texts: name of a further entry -> its text, such as "network_settings".
    """

    path: Path
    parameters: dict[str, Parameter]
    texts: dict[str, str]

    @property
    def settings(self) -> NetworkSettings:
        """Settings of the network that the parameters belong to.

        Raises:
            InputError: the checkpoint has no settings, or they cannot be read.
        """
        problem = "no network settings: give one that this program's train or convert_backbone stage wrote"
        if SETTINGS_KEY in self.texts:
            try:
                return NetworkSettings.from_values(json_value(self.texts[SETTINGS_KEY]))
            except (ValueError, KeyError, TypeError, OverflowError):
                problem = "network settings that cannot be read: write it again"
        raise InputError(f"checkpoint {self.path} carries {problem}")


def save_checkpoint(
    path: str | Path, cell_or_params: nn.Cell | Mapping[str, Any], settings: NetworkSettings, **more: Any
) -> None:
    """Write a checkpoint atomically.

    Args:
        path: file to write; its name ends in .ckpt.
        cell_or_params: a cell, all of whose parameters are written (running statistics too), or parameter name ->
            Parameter, Tensor or array.
        settings: the network that the parameters belong to.
        more: further entries; text that is not empty is stored as it is, other values as JSON.

    Raises:
        InputError: the name does not end in .ckpt.
    """
    texts = {
        name: value if isinstance(value, str) else json.dumps(value, allow_nan=False) for name, value in more.items()
    }
    texts[SETTINGS_KEY] = settings.to_json()
    parameters = cell_or_params.parameters_dict() if isinstance(cell_or_params, nn.Cell) else cell_or_params
    entries = [
        {"name": name, "data": Tensor.from_numpy(value) if isinstance(value, np.ndarray) else value}
        for name, value in parameters.items()
    ]
    with complete_file(_checkpoint_path(path)) as temporary, quiet_mindspore():
        try:
            mindspore.save_checkpoint(entries, str(temporary), append_dict=texts)
        finally:
            # MindSpore leaves its own intermediate file behind when the disk is full.
            temporary.with_suffix(".tmp").unlink(missing_ok=True)


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint file.

    Raises:
        InputError: the file is missing, cut off or not a checkpoint.
    """
    if Path(path).suffix == ".weights":
        raise InputError(f"{path} is a Darknet weight file: convert it with workflow/scripts/convert_weights.py first")
    path = _checkpoint_path(path)
    if not path.is_file():
        raise InputError(f"checkpoint {path} does not exist: check the path")
    try:
        with quiet_mindspore():
            entries = mindspore.load_checkpoint(str(path))
    except PermissionError:
        raise InputError(f"checkpoint {path} cannot be read: check its permissions") from None
    except Exception:
        # MindSpore raises errors of many types, up to SystemError, depending on which bytes are damaged.
        size = path.stat().st_size
        raise InputError(
            f"checkpoint {path} ({size:,} bytes) is cut off or not a MindSpore checkpoint: write or copy it again"
        ) from None
    texts = {name: value for name, value in entries.items() if isinstance(value, str)}
    parameters = {name: value for name, value in entries.items() if not isinstance(value, str)}
    return Checkpoint(path, parameters, texts)


def load_network(path: str | Path, class_names: tuple[str, ...] | None = None) -> tuple[YOLOv3, NetworkSettings]:
    """Build the network of a checkpoint in inference mode; return it with its parameters loaded, and its settings.

    `class_names` are the classes of the data set to use the network on; None for any.

    Raises:
        InputError: the file cannot be read, has no settings, its parameters do not match them, or its classes differ.
    """
    checkpoint = read_checkpoint(path)
    settings = checkpoint.settings
    if not settings.class_names:
        raise InputError(f"checkpoint {path} holds a backbone only: give the checkpoint of a whole network")
    if class_names not in (None, settings.class_names):
        raise InputError(
            f"checkpoint {path} has classes {', '.join(settings.class_names)} but the data set has "
            f"{', '.join(class_names)}: give the manifest of the data set that it was trained on"
        )
    network = YOLOv3(settings)
    _load_parameters(checkpoint, network.parameters_dict())
    return network.set_train(False), settings


def load_into(path: str | Path, cell: nn.Cell, part: Literal["backbone", "all"] = "all") -> Checkpoint:
    """Load a checkpoint into a network and return it; the names and shapes of all parameters must match.

    `part` is "all", or "backbone" to load only the parameters whose name begins with "backbone.".

    Raises:
        InputError: the file cannot be read, or a parameter does not match; the message names the first.
    """
    checkpoint = read_checkpoint(path)
    _load_parameters(checkpoint, cell.parameters_dict(), prefix=BACKBONE_PREFIX if part == "backbone" else "")
    return checkpoint


def load_for_finetuning(path: str | Path, network: YOLOv3) -> tuple[str, ...]:
    """Load the checkpoint of a whole network for fine-tuning, also for a different number of classes.

    If the shape of any head differs, all heads keep their current values; all other parameters must match. The log
    names the parameters left out, which are also returned, and the settings that differ from the checkpoint's.

    Raises:
        InputError: as `load_into`.
    """
    checkpoint = read_checkpoint(path)
    targets = network.parameters_dict()
    heads = tuple(name for name in targets if HEAD_MARK in name)
    heads_match = all(
        checkpoint.parameters[name].shape == targets[name].shape for name in heads if name in checkpoint.parameters
    )
    left_out = () if heads_match else heads
    _load_parameters(checkpoint, targets, without=left_out)
    logging.info("%s: %d parameters loaded", path, len(targets) - len(left_out))
    if left_out:
        logging.info("left out because the number of classes differs: %s", ", ".join(left_out))
    if SETTINGS_KEY in checkpoint.texts:
        _log_changed_settings(checkpoint, network.settings, has_new_heads=bool(left_out))
    return left_out


def _log_changed_settings(checkpoint: Checkpoint, settings: NetworkSettings, has_new_heads: bool) -> None:
    """Warn of settings that differ from the checkpoint's; new heads learn their own anchors anyway."""
    before, now = dataclasses.asdict(checkpoint.settings), dataclasses.asdict(settings)
    if before["class_names"] != now["class_names"]:
        names = (", ".join(values["class_names"]) for values in (before, now))
        logging.info("the classes were %s and are now %s", *names)
    harmless = {"class_names", "category_ids", "batch_norm_momentum", "testing_shape", "letterbox"}
    harmless |= {"anchors"} if has_new_heads else set()
    message = "%s was trained with %s %s but this training uses %s: use the same value unless the change is intended"
    for name in before:
        if name not in harmless and before[name] != now[name]:
            logging.warning(message, checkpoint.path, name, json.dumps(before[name]), json.dumps(now[name]))


def _load_parameters(
    checkpoint: Checkpoint, targets: Mapping[str, Parameter], prefix: str = "", without: tuple[str, ...] = ()
) -> None:
    def selected(parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
        return {name: value for name, value in parameters.items() if name.startswith(prefix) and name not in without}

    targets, sources = selected(targets), selected(checkpoint.parameters)
    shapes = {name: tuple(target.shape) for name, target in targets.items()}
    require_match(sources, shapes, f"checkpoint {checkpoint.path}", "give the checkpoint of this network")
    for name, target in targets.items():
        target.set_data(Tensor(sources[name], target.dtype))


def require_match(
    sources: Mapping[str, Parameter], shapes: Mapping[str, tuple[int, ...]], file: str, what_to_do: str
) -> None:
    """Raise InputError unless the parameters of a file have the names and shapes of a network's.

    `file`, such as "checkpoint a.ckpt", begins the message, and `what_to_do` ends it.
    """
    for name in {**shapes, **sources}:
        stored = tuple(sources[name].shape) if name in sources else None
        shape = shapes.get(name)
        if stored is None:
            problem = f"it has no parameter {name}, of shape {shape} in the network"
        elif shape is None:
            problem = f"its parameter {name}, of shape {stored}, is not in the network"
        else:
            problem = f"parameter {name} has shape {stored} in the file and {shape} in the network"
        if stored != shape:
            raise InputError(f"{file} does not fit the network: {problem}: {what_to_do}")


def _checkpoint_path(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix != ".ckpt":
        raise InputError(f"checkpoint {path} must have a name that ends in .ckpt: rename it")
    return path


@contextmanager
def quiet_mindspore() -> Iterator[None]:
    """Silence MindSpore's log; callers report failures in a sentence of their own."""
    logger: logging.Logger = mindspore_log._get_logger()
    was_disabled = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = was_disabled
