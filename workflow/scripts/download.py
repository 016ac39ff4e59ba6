#!/usr/bin/env python3
"""Draw, download or locate the data set, check it, and describe it in a manifest.

download.py --provider shapes --data_dir dataset --manifest results/data/manifest.json
download.py --merge results/data/train.json results/data/val.json --manifest results/data/manifest.json
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from yolov3.config.options import add_options, settings_from
from yolov3.config.stage import run_stage, stage_parser
from yolov3.data.checks import CheckSettings, check_dataset
from yolov3.data.coco import ARCHIVES, CocoSettings, prepare_coco
from yolov3.data.custom.places import CustomSettings, custom_places
from yolov3.data.links import link_places
from yolov3.data.manifest import SPLITS, Manifest, Places
from yolov3.data.shapes.dataset import ShapesSettings, prepare_shapes


def run(arguments: argparse.Namespace) -> None:
    """Write the manifest of the data set, of one split, or of two merged splits."""
    if arguments.merge:
        Manifest.read(*arguments.merge).write(arguments.manifest)
        return
    places = find_data(arguments, (arguments.split,) if arguments.split else SPLITS)
    if arguments.links_dir:
        places = link_places(places, arguments.links_dir)
    categories = Manifest.read(arguments.categories_from).categories if arguments.categories_from else ()
    settings = settings_from(CheckSettings, arguments)
    check_dataset(arguments.provider, places, settings, categories).write(arguments.manifest)


def find_data(arguments: argparse.Namespace, splits: Sequence[str]) -> Places:
    """Return image folder and annotation file of each split; draw or download them if necessary."""
    data_dir = Path(arguments.data_dir)
    if arguments.provider == "shapes":
        return prepare_shapes(data_dir, settings_from(ShapesSettings, arguments), splits)
    if arguments.provider in ARCHIVES:
        return prepare_coco(arguments.provider, data_dir, settings_from(CocoSettings, arguments), splits)
    converted_dir = arguments.converted_dir or arguments.manifest.parent
    return custom_places(settings_from(CustomSettings, arguments), splits, arguments.seed, converted_dir)


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and run; return the exit code."""
    parser = stage_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True, help="manifest to write")
    parser.add_argument("--split", choices=("", *SPLITS), default="", help="only this split (default: both)")
    parser.add_argument("--categories_from", type=Path, help="with --split val: manifest of the training images")
    parser.add_argument("--links_dir", type=Path, help="refer to the data by links in this folder (default: directly)")
    parser.add_argument("--converted_dir", type=Path, help="folder of converted annotations (default: the manifest's)")
    parser.add_argument("--merge", type=Path, nargs=2, help="merge the manifests of two splits instead")
    add_options(parser, "", only=("seed",))
    # Section coco2017 has the same options as coco2014.
    for section in ("data", "shapes", "coco2014", "custom"):
        add_options(parser, section)
    return run_stage(run, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
