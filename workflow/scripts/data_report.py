#!/usr/bin/env python3
"""Write the page of a data set: classes, boxes against anchors, images that look alike, boxes to look at.

data_report.py --manifest results/data/manifest.json --testing_shape 416 --output_dir results/data_report
"""

import argparse
import logging
import sys
from pathlib import Path

from yolov3.config.options import add_options
from yolov3.config.stage import run_stage, stage_parser
from yolov3.config.trained_input import training_input
from yolov3.data.manifest import SPLITS
from yolov3.data.options import add_manifest_options, manifest_of
from yolov3.network.options import network_settings_from
from yolov3.report.data_page import DataView, write_data_page
from yolov3.report.data_statistics import similar_images, split_statistics
from yolov3.terminal import progress_bar


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and run; return the exit code."""
    parser = stage_parser(__doc__)
    add_manifest_options(parser)
    parser.add_argument("--anchors_file", default="", help="clustered anchors, for --anchor_scales auto")
    parser.add_argument("--output_dir", type=Path, required=True, help="folder of data.html and data.json")
    add_options(parser, "network")
    add_options(parser, "train", only=("max_box",))
    add_options(parser, "eval", only=("testing_shape", "letterbox"))
    return run_stage(run, parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> None:
    """Read the data set and write the page."""
    manifest = manifest_of(arguments)
    fitted = training_input(arguments.testing_shape, arguments.letterbox)
    anchors = network_settings_from(arguments, manifest.categories, arguments.anchors_file).anchors
    view = DataView(anchors, fitted["testing_shape"], fitted["letterbox"], arguments.max_box)
    input_size = (view.testing_shape, view.testing_shape)
    splits = [split_statistics(manifest, name, input_size, view.letterbox) for name in SPLITS]
    with progress_bar(total=sum(len(statistics.split) for statistics in splits)) as bar:
        similar = similar_images([statistics.split for statistics in splits], list(SPLITS), bar.update)
    for remark in write_data_page(manifest, splits, similar, view, arguments.output_dir):
        logging.warning("%s", remark)
    logging.info("%s: the data set", arguments.output_dir / "data.html")


if __name__ == "__main__":
    sys.exit(main())
