"""Fetch, check or initialise the backbone's Darknet weight file, and convert it to a checkpoint and back."""

import argparse
import logging
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from yolov3.config.options import settings_from
from yolov3.errors import InputError
from yolov3.files import json_value, require_sha256
from yolov3.network.darknet53 import DarkNet53
from yolov3.network.settings import NetworkSettings
from yolov3.weights.addresses import fetch_weights
from yolov3.weights.checkpoint import Checkpoint, read_checkpoint, require_match, save_checkpoint
from yolov3.weights.darknet_file import DarknetHeader, read_weights, value_count, write_weights
from yolov3.weights.layers import DarknetLayer, backbone_layers

FRESH_SOURCE = "fresh"
HEADER_KEY = "darknet_header"
# Keys of the config's section `network` that a backbone depends on.
BACKBONE_OPTIONS = ("backbone_shape", "backbone_layers", "compatibility", "batch_norm_momentum")


def backbone_settings_from(arguments: argparse.Namespace) -> NetworkSettings:
    """Build network settings from BACKBONE_OPTIONS; anchors and classes, which no backbone depends on, stay empty."""
    return settings_from(NetworkSettings, arguments, anchors=(), class_names=())


def is_url(source: str) -> bool:
    """Return whether a source of weights is a URL rather than a path."""
    return urlsplit(source).scheme in ("http", "https", "file")


def fetch_backbone(source: str, output_file: Path | None, sha256: str, settings: NetworkSettings, seed: int) -> None:
    """Download, initialise or look up the Darknet weight file of the backbone, and check it.

    Args:
        source: "fresh" for newly initialised weights (by `seed`), a URL, or a path, which is checked in place.
        output_file: file to write; None if `source` is a path.
        sha256: the file's SHA-256 in hexadecimal, or "" to skip this check.

    Raises:
        InputError: the source is missing or is not the weight file of this backbone.
    """
    layers = layers_of(settings)
    if source != FRESH_SOURCE and not is_url(source):
        read_weights(source, layers)
        require_sha256(Path(source), sha256, "backbone.sha256")
        logging.info("backbone %s is valid and used in place", source)
        return
    if output_file is None:
        raise InputError(f"backbone source {source} has to be written to a file: give --output_file")
    if source == FRESH_SOURCE:
        write_weights(output_file, DarknetHeader(), layers, fresh_weights(layers, seed))
        logging.info("%s: %d freshly initialised convolutions, seed %d", output_file, len(layers), seed)
        return
    # Renamed only after its content was checked, so that a wrong download is never taken for the weights.
    download = output_file.with_name(output_file.name + ".download")
    fetch_weights(source, download, sha256)
    try:
        read_weights(download, layers)
    except InputError as error:
        download.unlink(missing_ok=True)
        raise InputError(f"{source} did not send the backbone's weights: {error}") from None
    download.replace(output_file)
    logging.info("%s: %s", output_file, source)


def fresh_weights(layers: list[DarknetLayer], seed: int) -> dict[str, NDArray[np.float32]]:
    """Return initial values for each parameter of `layers`, float32.

    Convolution weights are uniform in +-1/sqrt(fan_in), which is Kaiming uniform initialisation with a = sqrt(5);
    batch normalisation starts as the identity.
    """
    generator = np.random.default_rng(seed)
    arrays = {}
    for layer in layers:
        bound = 1.0 / np.sqrt(np.prod(layer.weight_shape[1:]))
        for name, shape in layer.parameters:
            if name.endswith(".weight"):
                arrays[name] = ((2.0 * generator.random(shape, np.float32) - 1.0) * bound).astype(np.float32)
            else:
                arrays[name] = np.full(shape, 1 if name.endswith((".gamma", ".moving_variance")) else 0, np.float32)
    return arrays


def layers_of(settings: NetworkSettings) -> list[DarknetLayer]:
    """Return the convolutions of the backbone that `settings` describes."""
    return backbone_layers(DarkNet53(settings))


def darknet_to_checkpoint(input_file: Path, output_file: Path, settings: NetworkSettings) -> None:
    """Convert a Darknet weight file of the backbone to a MindSpore checkpoint that keeps the file's header.

    Raises:
        InputError: the file is not the weight file of this backbone.
    """
    layers = layers_of(settings)
    header, arrays = read_weights(input_file, layers)
    save_checkpoint(output_file, arrays, settings, **{HEADER_KEY: asdict(header)})
    counts = len(layers), f"{value_count(layers):,}", f"{header.seen:,}"
    logging.info("%s: %d convolutions, %s values, trained on %s images", output_file, *counts)


def checkpoint_to_darknet(input_file: Path, output_file: Path, settings: NetworkSettings) -> None:
    """Convert the backbone of a checkpoint back to a Darknet weight file.

    A checkpoint written by `darknet_to_checkpoint` gives the original file byte for byte; for any other, such as that
    of a trained network, the header has version 0.2.0 and 0 images seen.

    Raises:
        InputError: the checkpoint cannot be read or its backbone has another shape.
    """
    checkpoint = read_checkpoint(input_file)
    layers = layers_of(settings)
    shapes = dict(parameter for layer in layers for parameter in layer.parameters)
    stored = {name: value for name, value in checkpoint.parameters.items() if name in shapes}
    require_match(stored, shapes, f"checkpoint {input_file}", "correct the network's shape")
    arrays = {name: value.asnumpy() for name, value in stored.items()}
    write_weights(output_file, header_of(checkpoint), layers, arrays)
    logging.info("%s: %d convolutions", output_file, len(layers))


def header_of(checkpoint: Checkpoint) -> DarknetHeader:
    """Return the Darknet header that a checkpoint keeps, else one of version 0.2.0 and 0 images seen.

    Raises:
        InputError: the header is damaged.
    """
    try:
        return DarknetHeader(**json_value(checkpoint.texts.get(HEADER_KEY, "{}")))
    except (ValueError, TypeError):
        raise InputError(f"checkpoint {checkpoint.path} has a damaged {HEADER_KEY}: write it again") from None
