#!/usr/bin/env python3
"""Convert annotations between COCO, Pascal VOC, YOLO and LabelMe.

convert_annotations.py --annotations results/data/val/annotations.json --image_dir images --to voc --output_dir xml
"""

import argparse
import logging
import sys
from pathlib import Path

from yolov3.config.stage import run_stage, stage_parser
from yolov3.data.custom.folder import AUTO, FORMATS, format_of, read_place
from yolov3.data.custom.writers import write_annotations
from yolov3.terminal import RESULT


def run(arguments: argparse.Namespace) -> None:
    """Read the annotations of a folder of images and write them in another format."""
    kind = format_of(arguments.annotations) if arguments.format == AUTO else arguments.format
    dataset = read_place(arguments.annotations, arguments.image_dir, kind, arguments.classes)
    boxes = write_annotations(dataset, arguments.to, arguments.output_dir)
    message = "%d images with %d boxes, from %s to %s in %s"
    logging.log(RESULT, message, len(dataset["images"]), boxes, kind, arguments.to, arguments.output_dir)


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and run; return the exit code."""
    parser = stage_parser(__doc__)
    parser.add_argument("--annotations", type=Path, required=True, help="COCO file, data.yaml or folder of files")
    parser.add_argument("--image_dir", type=Path, required=True, help="folder of the images")
    parser.add_argument("--format", choices=(AUTO, *FORMATS), default=AUTO, help="their format (default: by the files)")
    parser.add_argument("--classes", nargs="*", default=(), help="class names of YOLO labels without a list of names")
    parser.add_argument("--to", choices=FORMATS, required=True, help="format to write")
    parser.add_argument("--output_dir", type=Path, required=True, help="folder of the written files")
    return run_stage(run, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
