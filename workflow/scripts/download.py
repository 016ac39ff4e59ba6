#!/usr/bin/env python3
"""Make, fetch or find the data set, check it, and describe it in a manifest.

download.py --provider shapes --data_dir dataset --manifest results/data/manifest.json
"""

import argparse
import sys
from pathlib import Path

from yolov3.config.options import add_options, settings_from
from yolov3.config.stage import run_stage, stage_parser
from yolov3.data.checks import CheckSettings, CustomSettings, check_dataset
from yolov3.data.coco2014 import Coco2014Settings, prepare_coco2014
from yolov3.data.shapes.dataset import ShapesSettings, prepare_shapes


def run(arguments: argparse.Namespace) -> None:
    """Run the stage."""
    places = find_data(arguments)
    manifest = check_dataset(arguments.provider, places, settings_from(CheckSettings, arguments))
    manifest.write(arguments.manifest)


def find_data(arguments: argparse.Namespace) -> dict[str, tuple[Path, Path]]:
    """Return image folder and annotation file of "train" and "val", made or fetched if need be."""
    data_dir = Path(arguments.data_dir)
    if arguments.provider == "shapes":
        return prepare_shapes(data_dir, settings_from(ShapesSettings, arguments))
    if arguments.provider == "coco2014":
        return prepare_coco2014(data_dir, settings_from(Coco2014Settings, arguments))
    return settings_from(CustomSettings, arguments).places()


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and run; return the exit code."""
    parser = stage_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True, help="manifest to write")
    for section in ("data", "shapes", "coco2014", "custom"):
        add_options(parser, section)
    return run_stage(run, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
