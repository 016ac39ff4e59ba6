#!/usr/bin/env python3
"""Bring the Darknet weight file of the backbone: from a URL, freshly initialised, or checked in place.

fetch_backbone.py --source https://pjreddie.com/media/files/darknet53.conv.74 --output_file darknet53.conv.74
fetch_backbone.py --source fresh --seed 1 --output_file fresh.conv.74
fetch_backbone.py --source /weights/darknet53.conv.74
"""

import argparse
import sys
from pathlib import Path

from yolov3.config.options import add_options, settings_from
from yolov3.config.stage import run_stage, stage_parser
from yolov3.network.settings import NetworkSettings
from yolov3.weights.backbone import fetch_backbone

NETWORK_OPTIONS = ("backbone_shape", "backbone_layers", "compatibility", "batch_norm_momentum")


def run(arguments: argparse.Namespace) -> None:
    """Run the stage."""
    settings = settings_from(
        NetworkSettings, arguments, anchors=(), class_names=(), category_ids=(), normalisation="imagenet"
    )
    fetch_backbone(arguments.source, arguments.output_file, arguments.sha256, settings, arguments.seed)


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and run; return the exit code."""
    parser = stage_parser(__doc__)
    parser.add_argument("--output_file", type=Path, help="weight file to write; not needed if the source is a path")
    add_options(parser, "backbone")
    add_options(parser, "network", only=NETWORK_OPTIONS)
    add_options(parser, "", only=("seed",))
    return run_stage(run, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
