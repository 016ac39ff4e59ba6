"""Network settings from command-line options and the categories of a data set."""

import argparse

from yolov3.data.manifest import Category
from yolov3.errors import InputError
from yolov3.files import read_json
from yolov3.network.settings import AnchorSize, NetworkSettings


def network_settings_from(
    arguments: argparse.Namespace, categories: tuple[Category, ...], anchors_file: str = ""
) -> NetworkSettings:
    """Build the settings of a network for the given classes from the options of config section `network`.

    Args:
        arguments: parsed options.
        categories: the classes in the order of the class logits.
        anchors_file: what the stage cluster_anchors wrote, for the anchors "auto".

    Raises:
        InputError: the anchors are "auto" but there is no such file.
    """
    if arguments.anchor_scales == "auto" and not anchors_file:
        raise InputError("anchor_scales is auto but there are no clustered anchors: name a file by --anchors_file")
    anchors = read_anchors(anchors_file) if arguments.anchor_scales == "auto" else arguments.anchor_scales
    return NetworkSettings(
        backbone_shape=arguments.backbone_shape,
        backbone_layers=arguments.backbone_layers,
        anchors=tuple((float(width), float(height)) for width, height in anchors),
        class_names=tuple(category.name for category in categories),
        category_ids=tuple(category.id for category in categories),
        compatibility=arguments.compatibility,
        batch_norm_momentum=arguments.batch_norm_momentum,
        normalisation=arguments.normalisation,
    )


def read_anchors(path: str) -> tuple[AnchorSize, ...]:
    """Return the anchors that the stage cluster_anchors wrote.

    Raises:
        InputError: the file is missing or another one.
    """
    value = read_json(path, "anchors file")
    try:
        return tuple((float(width), float(height)) for width, height in value["anchors"])
    except (KeyError, TypeError, ValueError):
        raise InputError(f"anchors file {path} holds no anchors: run the stage cluster_anchors again") from None
