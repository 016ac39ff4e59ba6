#!/usr/bin/env python3
"""Convert weights of a whole network to a checkpoint of this project, or such a checkpoint to Darknet's files.

convert_weights.py --manifest results/data/manifest.json --normalisation unit \\
    --pretrained yolov3.weights --output_file results/weights/yolov3.ckpt
convert_weights.py --to_darknet --pretrained yolov3.ckpt --output_file yolov3.weights

The input is a Darknet weight file, a checkpoint of the original model zoo code (--compatibility modelzoo) or one of
this project, given by path or URL; the format is detected from the content. name.json beside the checkpoint describes
the input; name.cfg beside a weight file describes its network.
"""

import argparse
import logging
import sys
from pathlib import Path

from yolov3.config.options import add_options
from yolov3.config.stage import run_stage, stage_parser
from yolov3.data.manifest import Manifest
from yolov3.errors import InputError
from yolov3.files import require_sha256, write_json
from yolov3.network.options import network_settings_from
from yolov3.weights.addresses import fetch_weights, name_of
from yolov3.weights.backbone import is_url
from yolov3.weights.convert import convert_weights, network_to_darknet


def run(arguments: argparse.Namespace) -> None:
    """Convert the file."""
    if arguments.to_darknet:
        network_to_darknet(Path(arguments.pretrained), arguments.output_file, arguments.testing_shape)
        return
    if not arguments.manifest:
        raise InputError("the classes are unknown without a manifest: add --manifest")
    if arguments.anchor_scales == "auto":
        raise InputError("anchor_scales is auto but trained weights have their own anchors: give those nine")
    settings = network_settings_from(arguments, Manifest.read(arguments.manifest).categories)
    if is_url(arguments.pretrained):
        name = name_of(arguments.pretrained)
        downloaded = arguments.output_file.with_name(f"fetched.{name}")
        fetch_weights(arguments.pretrained, downloaded, arguments.sha256)
        try:
            summary = convert_weights(downloaded, arguments.output_file, settings)
        finally:
            downloaded.unlink()
    else:
        name = Path(arguments.pretrained).name
        require_sha256(Path(arguments.pretrained), arguments.sha256, "weights.sha256")
        summary = convert_weights(Path(arguments.pretrained), arguments.output_file, settings)
    write_json(arguments.output_file.with_suffix(".json"), {"file": name, **summary})
    logging.info("%s: %s parameters from %s", arguments.output_file, f"{summary['parameters']:,}", name)


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and run; return the exit code."""
    parser = stage_parser(__doc__)
    parser.add_argument("--pretrained", required=True, help="path or URL of the weights")
    parser.add_argument("--output_file", type=Path, required=True, help="name.ckpt (name.weights if --to_darknet)")
    parser.add_argument("--to_darknet", action="store_true", help="convert a checkpoint to name.weights")
    parser.add_argument("--manifest", type=Path, help="manifest of the data set that names the classes")
    add_options(parser, "weights", only=("sha256",))
    add_options(parser, "network")
    add_options(parser, "eval", only=("testing_shape", "letterbox"))
    return run_stage(run, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
