#!/usr/bin/env python3
"""Provide the Darknet weight file of the backbone: download it, initialise it, or check it in place.

fetch_backbone.py --source https://pjreddie.com/media/files/darknet53.conv.74 --output_file darknet53.conv.74
fetch_backbone.py --source fresh --seed 1 --output_file fresh.conv.74
fetch_backbone.py --source /weights/darknet53.conv.74
"""

import argparse
import sys
from pathlib import Path

from yolov3.config.options import add_options
from yolov3.config.stage import run_stage, stage_parser
from yolov3.weights.backbone import BACKBONE_OPTIONS, backbone_settings_from, fetch_backbone


def run(arguments: argparse.Namespace) -> None:
    """Provide the file."""
    settings = backbone_settings_from(arguments)
    fetch_backbone(arguments.source, arguments.output_file, arguments.sha256, settings, arguments.seed)


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and run; return the exit code."""
    parser = stage_parser(__doc__)
    parser.add_argument("--output_file", type=Path, help="weight file to write; not needed if --source is a path")
    add_options(parser, "backbone")
    add_options(parser, "network", only=BACKBONE_OPTIONS)
    add_options(parser, "", only=("seed",))
    return run_stage(run, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
