"""The backbone's weights from Darknet to MindSpore and back."""

import json
import logging
from pathlib import Path

from yolov3.errors import InputError
from yolov3.network.darknet53 import DarkNet53
from yolov3.network.settings import NetworkSettings
from yolov3.weights.checkpoint import read_checkpoint, save_checkpoint
from yolov3.weights.darknet_file import DarknetHeader, read_weights, write_weights
from yolov3.weights.layers import DarknetLayer, backbone_layers

HEADER_KEY = "darknet_header"


def layers_of(settings: NetworkSettings) -> list[DarknetLayer]:
    """Return the convolutions of the backbone that `settings` describes."""
    return backbone_layers(
        DarkNet53(
            settings.backbone_shape, settings.backbone_layers, settings.compatibility, settings.batch_norm_momentum
        )
    )


def darknet_to_checkpoint(input_file: Path, output_file: Path, settings: NetworkSettings) -> None:
    """Convert a Darknet weight file of the backbone to a MindSpore checkpoint, which keeps the file's header.

    Raises:
        InputError: the file is not the weight file of this backbone.
    """
    layers = layers_of(settings)
    header, arrays = read_weights(input_file, layers)
    save_checkpoint(output_file, arrays, settings, **{HEADER_KEY: header.to_values()})
    logging.info(
        "%s: %d convolutions, %s values, trained on %s images",
        output_file,
        len(layers),
        f"{sum(layer.value_count for layer in layers):,}",
        f"{header.seen:,}",
    )


def checkpoint_to_darknet(input_file: Path, output_file: Path, settings: NetworkSettings) -> None:
    """Convert the backbone of a checkpoint back to a Darknet weight file.

    A checkpoint of `darknet_to_checkpoint` gives the original file byte for byte; for others, such as a trained
    network, the header says version 0.2.0 and no images seen.

    Raises:
        InputError: the checkpoint cannot be read or its backbone has another shape.
    """
    checkpoint = read_checkpoint(input_file)
    layers = layers_of(settings)
    arrays = {}
    for layer in layers:
        for name, shape in layer.parameters:
            found = tuple(checkpoint.parameters[name].shape) if name in checkpoint.parameters else None
            if found != shape:
                state = f"has shape {found} in the file" if found else "is not in the file"
                raise InputError(
                    f"checkpoint {input_file} does not fit the backbone: parameter {name} {state}, {shape} in the "
                    "backbone: correct the network's shape"
                )
            arrays[name] = checkpoint.parameters[name].asnumpy()
    values = json.loads(checkpoint.texts.get(HEADER_KEY, "{}"))
    write_weights(output_file, DarknetHeader.from_values(values), layers, arrays)
    logging.info("%s: %d convolutions", output_file, len(layers))
