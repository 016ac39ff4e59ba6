#!/usr/bin/env python3
"""Convert Darknet weights of the backbone to a MindSpore checkpoint, or back.

convert_backbone.py --input_file darknet53.conv.74 --output_file backbone.ckpt
convert_backbone.py --reverse --input_file backbone.ckpt --output_file darknet53.conv.74
"""

import argparse
import sys
from pathlib import Path

from yolov3.config.options import add_options
from yolov3.config.stage import run_stage, stage_parser
from yolov3.weights.backbone import (
    BACKBONE_OPTIONS,
    backbone_settings_from,
    checkpoint_to_darknet,
    darknet_to_checkpoint,
)


def run(arguments: argparse.Namespace) -> None:
    """Convert the file."""
    settings = backbone_settings_from(arguments)
    convert = checkpoint_to_darknet if arguments.reverse else darknet_to_checkpoint
    convert(arguments.input_file, arguments.output_file, settings)


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and run; return the exit code."""
    parser = stage_parser(__doc__)
    parser.add_argument("--input_file", type=Path, required=True, help="Darknet weight file (checkpoint if --reverse)")
    parser.add_argument(
        "--output_file", type=Path, required=True, help="checkpoint, name.ckpt (weight file if --reverse)"
    )
    parser.add_argument("--reverse", action="store_true", help="convert a checkpoint to a Darknet weight file")
    add_options(parser, "network", only=BACKBONE_OPTIONS)
    return run_stage(run, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
