"""Draw the first batches of a training as the network will see them: augmented images, boxes, and the anchors of each.

python workflow/scripts/preview_batches.py --manifest results/data/manifest.json --training_shape 416 \
    --output results/preview/batches.jpg
"""

import argparse
import logging
import sys
from pathlib import Path

from yolov3.config.options import add_options
from yolov3.config.stage import run_stage, stage_parser
from yolov3.data.options import add_manifest_options, manifest_of
from yolov3.drawing.batches import preview_jpeg
from yolov3.files import complete_file
from yolov3.network.options import network_settings_from
from yolov3.training.batches import source_from


def main(argv: list[str] | None = None) -> int:
    """Run the stage and return its exit code."""
    parser = stage_parser(__doc__)
    add_manifest_options(parser)
    parser.add_argument("--anchors_file", default="", help="clustered anchors, for --anchor_scales auto")
    parser.add_argument("--output", type=Path, required=True, help="JPEG file to write")
    add_options(parser, "", only=("seed",))
    add_options(parser, "network")
    add_options(parser, "train")
    return run_stage(run, parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> None:
    """Build the batches, draw them and write the picture."""
    manifest = manifest_of(arguments)
    settings = network_settings_from(arguments, manifest.categories, arguments.anchors_file)
    # Those of rank 0.
    source = source_from(arguments, manifest, settings.anchors, 0, arguments.group_size)
    picture = preview_jpeg(source, settings.class_names)
    with complete_file(arguments.output) as temporary:
        temporary.write_bytes(picture)
    logging.info("%s: the first batches", arguments.output)


if __name__ == "__main__":
    sys.exit(main())
