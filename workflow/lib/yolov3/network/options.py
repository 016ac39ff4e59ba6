"""Network settings built from command-line options and the categories of a data set."""

import argparse
from typing import Any

from yolov3.config.options import settings_from
from yolov3.data.manifest import Category
from yolov3.errors import InputError
from yolov3.files import read_json
from yolov3.network.settings import AnchorSize, NetworkSettings


def network_settings_from(
    arguments: argparse.Namespace, categories: tuple[Category, ...], anchors_file: str = "", **more: Any
) -> NetworkSettings:
    """Build the settings of a network from options, the classes in the order of the class logits, and fields in `more`.

    `anchors_file` is the output of the stage cluster_anchors, used if anchor_scales is "auto".

    Raises:
        InputError: anchor_scales is "auto" but no file is given.
    """
    if arguments.anchor_scales == "auto" and not anchors_file:
        raise InputError("anchor_scales is auto but no clustered anchors are given: set --anchors_file")
    anchors = read_anchors(anchors_file) if arguments.anchor_scales == "auto" else arguments.anchor_scales
    return settings_from(
        NetworkSettings,
        arguments,
        anchors=tuple((float(width), float(height)) for width, height in anchors),
        class_names=tuple(category.name for category in categories),
        category_ids=tuple(category.id for category in categories),
        **more,
    )


def read_anchors(path: str) -> tuple[AnchorSize, ...]:
    """Read the anchors that the stage cluster_anchors wrote, (width, height) in pixels of the network input.

    Raises:
        InputError: the file is missing or has no anchors.
    """
    content = read_json(path, "anchors file")
    try:
        return tuple((float(width), float(height)) for width, height in content["anchors"])
    except (KeyError, TypeError, ValueError):
        raise InputError(f"anchors file {path} has no anchors: run the stage cluster_anchors again") from None
