"""Convert the weights of a whole network to a checkpoint of this project, and back to Darknet's files."""

import dataclasses
import logging
import shutil
from pathlib import Path
from typing import Any

from yolov3.config.trained_input import input_as_trained, training_input
from yolov3.errors import InputError
from yolov3.files import complete_file, write_text
from yolov3.network.settings import NetworkSettings
from yolov3.network.yolo import YOLOv3
from yolov3.weights.backbone import HEADER_KEY, header_of
from yolov3.weights.checkpoint import SETTINGS_KEY, load_network, read_checkpoint, save_checkpoint
from yolov3.weights.darknet_cfg import darknet_cfg
from yolov3.weights.darknet_file import VALUE_TYPE, DarknetHeader, read_weights, start_of, value_count, write_weights
from yolov3.weights.layers import backbone_layers, network_layers
from yolov3.weights.modelzoo import is_modelzoo, modelzoo_arrays

# A checkpoint is a protobuf message and begins with the tag of its first field; Darknet's files begin with version 0.
_CHECKPOINT_START = b"\n"


def convert_weights(path: Path, output_file: Path, settings: NetworkSettings) -> dict[str, Any]:
    """Convert a file of weights to a checkpoint that carries the settings of its network.

    Args:
        path: a Darknet weight file, a checkpoint of the model zoo code or one of this project; the format is detected
            from the content.
        output_file: checkpoint to write.
        settings: the network that the weights belong to; if its letterbox is None, Darknet's weights get True and the
            model zoo's False. A checkpoint of this project keeps its own settings.

    Returns:
        For the report: "format", "parameters" (their number) and "seen" (images Darknet trained on, or None).

    Raises:
        InputError: the file is none of the three, broken, or of another network.
    """
    if not start_of(path).startswith(_CHECKPOINT_START):
        return _convert_darknet(path, output_file, settings)
    checkpoint = read_checkpoint(path)
    if SETTINGS_KEY in checkpoint.texts:
        return _copy_checkpoint(path, output_file, settings)
    if not is_modelzoo(checkpoint):
        raise InputError(
            f"checkpoint {path} holds neither this project's network nor that of the original model zoo code "
            f"(its first parameter is {next(iter(checkpoint.parameters), 'none')}): give another file"
        )
    if settings.compatibility != "modelzoo":
        raise InputError(
            f"checkpoint {path} was made by the original model zoo code, whose network differs: set "
            "network.compatibility to modelzoo"
        )
    layers = network_layers(YOLOv3(settings))
    save_checkpoint(output_file, modelzoo_arrays(checkpoint, layers), _with_input(settings, letterbox=False))
    return {"format": "model zoo", "parameters": value_count(layers), "seen": None}


def network_to_darknet(path: Path, output_file: Path, testing_shape: int | None) -> None:
    """Convert the checkpoint of a whole network to a Darknet weight file, with the .cfg of its network beside it.

    `testing_shape` is the input width and height in pixels for the .cfg; None for the checkpoint's.

    Raises:
        InputError: the checkpoint cannot be read, Darknet has no such network, or the suffix is not .weights.
    """
    if output_file.suffix != ".weights":
        raise InputError(f"weight file {output_file} must have a name that ends in .weights: rename it")
    network, settings = load_network(path)
    side = input_as_trained(path, settings, testing_shape, None)["testing_shape"]
    cfg = darknet_cfg(settings, side, side)
    if settings.normalisation != "unit":
        logging.warning(
            "%s was trained with normalisation %s but Darknet feeds x / 255: normalise its input the same way",
            path,
            settings.normalisation,
        )
    layers = network_layers(network)
    arrays = {name: parameter.asnumpy() for name, parameter in network.parameters_dict().items()}
    write_weights(output_file, header_of(read_checkpoint(path)), layers, arrays)
    write_text(output_file.with_suffix(".cfg"), cfg)
    logging.info("%s and its .cfg: %s values", output_file, f"{value_count(layers):,}")


def _convert_darknet(path: Path, output_file: Path, settings: NetworkSettings) -> dict[str, Any]:
    if settings.compatibility != "darknet":
        raise InputError(
            f"weight file {path} is not a MindSpore checkpoint but network.compatibility is "
            f"{settings.compatibility}: set it to darknet for Darknet's weights, or give a checkpoint"
        )
    network = YOLOv3(settings)
    layers = network_layers(network)
    backbone_bytes = value_count(backbone_layers(network.backbone)) * VALUE_TYPE.itemsize
    if path.stat().st_size - DarknetHeader().size == backbone_bytes:
        raise InputError(
            f"weight file {path} holds the backbone only: set backbone.source to it and train, or give the weights "
            "of the whole network"
        )
    header, arrays = read_weights(path, layers)
    if settings.normalisation != "unit":
        logging.warning(
            "network.normalisation is %s but weights trained by Darknet need unit (x / 255)", settings.normalisation
        )
    save_checkpoint(
        output_file, arrays, _with_input(settings, letterbox=True), **{HEADER_KEY: dataclasses.asdict(header)}
    )
    return {"format": "Darknet", "parameters": value_count(layers), "seen": header.seen}


def _with_input(settings: NetworkSettings, letterbox: bool) -> NetworkSettings:
    """Return the settings with `letterbox` and the default testing_shape filled in where they are None."""
    letterbox = letterbox if settings.letterbox is None else settings.letterbox
    return dataclasses.replace(settings, **training_input(settings.testing_shape, letterbox))


def _copy_checkpoint(path: Path, output_file: Path, settings: NetworkSettings) -> dict[str, Any]:
    network, stored_settings = load_network(path)
    if stored_settings.normalisation != settings.normalisation:
        raise InputError(
            f"checkpoint {path} was trained with normalisation {stored_settings.normalisation} but "
            f"network.normalisation is {settings.normalisation}: set it to {stored_settings.normalisation}"
        )
    with complete_file(output_file) as temporary:
        shutil.copyfile(path, temporary)
    return {"format": "checkpoint", "parameters": value_count(network_layers(network)), "seen": None}
