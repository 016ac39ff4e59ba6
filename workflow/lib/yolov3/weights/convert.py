"""Weights of a whole network, from wherever they come, as a checkpoint of ours, and back to Darknet."""

import dataclasses
import json
import logging
import shutil
from pathlib import Path
from typing import Any

from yolov3.config.config import input_as_trained, training_input
from yolov3.errors import InputError
from yolov3.files import complete_file, write_text
from yolov3.network.settings import NetworkSettings
from yolov3.network.yolo import YOLOv3
from yolov3.weights.backbone import HEADER_KEY
from yolov3.weights.checkpoint import SETTINGS_KEY, load_network, read_checkpoint, save_checkpoint
from yolov3.weights.darknet_cfg import darknet_cfg
from yolov3.weights.darknet_file import VALUE_TYPE, DarknetHeader, read_weights, start_of, value_count, write_weights
from yolov3.weights.layers import backbone_layers, network_layers
from yolov3.weights.modelzoo import is_modelzoo, modelzoo_arrays

# A checkpoint is a protobuf message whose first field is a message; as a Darknet version it would be above 10.0.
_CHECKPOINT_START = b"\n"


def convert_weights(path: Path, output_file: Path, settings: NetworkSettings) -> dict[str, Any]:
    """Write the weights of a file as a checkpoint that carries the settings of its network.

    Args:
        path: a Darknet weight file, a checkpoint of the model zoo code, or one of ours; told by its content.
        output_file: checkpoint to write.
        settings: the network that foreign weights belong to; where it does not say, Darknet's is evaluated on
            letterboxed images, that of the model zoo code on others. A checkpoint of ours carries its own.

    Returns:
        For the report: format, number of parameters, and the images that Darknet says it was trained on.

    Raises:
        InputError: the file is none of the three, broken, or of another network.
    """
    if not start_of(path).startswith(_CHECKPOINT_START):
        return _convert_darknet(path, output_file, settings)
    checkpoint = read_checkpoint(path)
    if SETTINGS_KEY in checkpoint.texts:
        return _copy_own(path, output_file, settings)
    if not is_modelzoo(checkpoint):
        raise InputError(
            f"checkpoint {path} holds neither the network of this program nor that of the original model zoo code "
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
    """Write a checkpoint of ours as a Darknet weight file, and beside it the .cfg that describes its network.

    Args:
        path: checkpoint of a whole network.
        output_file: weight file, name.weights.
        testing_shape: input width and height in pixels that the .cfg states; None for the checkpoint's.

    Raises:
        InputError: the checkpoint cannot be read, Darknet has no such network, or the name has another suffix.
    """
    if output_file.suffix != ".weights":
        raise InputError(f"weight file {output_file} must have a name that ends in .weights: rename it")
    network, settings = load_network(path)
    side = input_as_trained(path, settings, testing_shape, None)["testing_shape"]
    cfg = darknet_cfg(settings, side, side)
    if settings.normalisation != "unit":
        logging.warning(
            "%s was trained with normalisation %s, Darknet feeds x / 255: normalise its input alike",
            path,
            settings.normalisation,
        )
    header = DarknetHeader.from_values(json.loads(read_checkpoint(path).texts.get(HEADER_KEY, "{}")))
    arrays = {name: parameter.asnumpy() for name, parameter in network.parameters_dict().items()}
    write_weights(output_file, header, network_layers(network), arrays)
    write_text(output_file.with_suffix(".cfg"), cfg)
    logging.info("%s and its .cfg: %s values", output_file, f"{value_count(network_layers(network)):,}")


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
            "network.normalisation is %s, but weights trained by Darknet want unit (x / 255)", settings.normalisation
        )
    save_checkpoint(output_file, arrays, _with_input(settings, letterbox=True), **{HEADER_KEY: header.to_values()})
    return {"format": "Darknet", "parameters": value_count(layers), "seen": header.seen}


def _with_input(settings: NetworkSettings, letterbox: bool) -> NetworkSettings:
    """Return the settings with the format's own letterbox, and its usual testing_shape, where they say none."""
    letterbox = letterbox if settings.letterbox is None else settings.letterbox
    return dataclasses.replace(settings, **training_input(settings.testing_shape, letterbox))


def _copy_own(path: Path, output_file: Path, settings: NetworkSettings) -> dict[str, Any]:
    network, own = load_network(path)
    if own.normalisation != settings.normalisation:
        raise InputError(
            f"checkpoint {path} was trained with normalisation {own.normalisation} but network.normalisation is "
            f"{settings.normalisation}: set it alike"
        )
    with complete_file(output_file) as temporary:
        shutil.copyfile(path, temporary)
    return {"format": "checkpoint", "parameters": value_count(network_layers(network)), "seen": None}
