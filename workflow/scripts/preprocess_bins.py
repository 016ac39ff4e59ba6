"""Preprocess the evaluation images, or calibration images, to raw .bin files.

python workflow/scripts/preprocess_bins.py --manifest results/data/manifest.json --output_dir results/bins \
    --model results/export/yolov3_darknet53.onnx
python workflow/scripts/preprocess_bins.py --manifest results/data/manifest.json --output_dir results/calibration \
    --model results/export/yolov3_darknet53.onnx --calibration 1 --calibration_images 32
"""

import argparse
import logging
import sys
import time
from pathlib import Path

from yolov3.config.options import add_options, settings_from
from yolov3.config.schema import section_schema
from yolov3.config.stage import run_stage, stage_parser
from yolov3.config.trained_input import input_as_trained
from yolov3.data.annotations import load_split
from yolov3.data.options import add_manifest_options, manifest_of
from yolov3.export.description import ModelDescription
from yolov3.native.bins import BinsSettings, write_bins
from yolov3.network.settings import NORMALISATIONS
from yolov3.quantization.calibration import calibration_bins, draw_images
from yolov3.terminal import progress_bar


def main(argv: list[str] | None = None) -> int:
    """Run the stage and return its exit code."""
    parser = stage_parser(__doc__)
    add_manifest_options(parser)
    parser.add_argument("--output_dir", type=Path, required=True, help="folder of the bins")
    parser.add_argument(
        "--calibration", type=int, choices=(0, 1), default=0, help="1 draws training images, for quantization"
    )
    parser.add_argument(
        "--model",
        type=Path,
        help="exported model that will run on the bins; its description gives testing_shape, letterbox and "
        "normalisation unless those options are given",
    )
    add_options(parser, "eval", only=("testing_shape", "letterbox"))
    add_options(parser, "network", only=("normalisation",))
    # None means that of the model.
    parser.set_defaults(normalisation=None)
    add_options(parser, "bins")
    add_options(parser, "calibration")
    return run_stage(run, parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> None:
    """Write the folder of bins."""
    started = time.perf_counter()
    manifest = manifest_of(arguments)
    model = ModelDescription.read(arguments.model) if arguments.model else None
    name = arguments.model or "the command"
    fitted = input_as_trained(name, model, arguments.testing_shape, arguments.letterbox)
    normalisation = arguments.normalisation or section_schema("network")["normalisation"]["default"]
    mean_std = model.mean_std if model and not arguments.normalisation else NORMALISATIONS[normalisation]
    if arguments.calibration:
        split = load_split(manifest, "train")
        indices = draw_images(split, arguments.calibration_images, arguments.calibration_seed)
        settings = calibration_bins(**fitted, mean_std=mean_std)
    else:
        split = load_split(manifest, "val")
        indices = list(range(len(split)))
        settings = settings_from(BinsSettings, arguments, **fitted, mean_std=mean_std)
    with progress_bar(total=len(indices)) as bar:
        write_bins(split, indices, settings, arguments.output_dir, on_images=bar.update)
    seconds = time.perf_counter() - started
    gigabytes = len(indices) * settings.bytes_per_image / 1e9
    logging.info("%d images, %.2f GB in %.1f s", len(indices), gigabytes, seconds)


if __name__ == "__main__":
    sys.exit(main())
