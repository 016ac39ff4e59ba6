"""Network settings from command-line options and the categories of a data set."""

import argparse

from yolov3.network_settings import NetworkSettings


def network_settings_from(arguments: argparse.Namespace, class_names: tuple[str, ...]) -> NetworkSettings:
    """Build the settings of a network for the given classes from the options of config section `network`."""
    return NetworkSettings(
        backbone_shape=arguments.backbone_shape,
        backbone_layers=arguments.backbone_layers,
        anchors=tuple((float(width), float(height)) for width, height in arguments.anchor_scales),
        class_names=class_names,
        compatibility=arguments.compatibility,
        batch_norm_momentum=arguments.batch_norm_momentum,
    )
