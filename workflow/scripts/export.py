"""Export a checkpoint for deployment, and compare each file with the network.

python workflow/scripts/export.py --manifest results/data/manifest.json --ckpt_file yolov3.ckpt \
    --file_format MINDIR,ONNX --output_dir results/export
"""

import argparse
import dataclasses
import logging
import sys
import time
from pathlib import Path

from yolov3.config.options import add_options, settings_from
from yolov3.config.stage import run_stage, stage_parser
from yolov3.config.trained_input import input_as_trained
from yolov3.data.annotations import load_split
from yolov3.data.options import add_manifest_options, manifest_of
from yolov3.distributed.worker import start_runtime
from yolov3.export.export import ExportSettings, export_network, formats_of, input_batch
from yolov3.files import sha256_of, write_json
from yolov3.weights.checkpoint import load_network


def main(argv: list[str] | None = None) -> int:
    """Run the stage and return its exit code."""
    parser = stage_parser(__doc__)
    add_manifest_options(parser)
    parser.add_argument("--ckpt_file", type=Path, required=True, help="checkpoint to export")
    parser.add_argument("--output_dir", type=Path, default=Path("outputs"), help="folder of the files and export.json")
    add_options(parser, "export")
    add_options(parser, "eval", only=("testing_shape", "letterbox"))
    add_options(parser, "", only=("device_target", "seed"))
    return run_stage(run, parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> None:
    """Write the model files and their descriptions, then export.json."""
    started = time.perf_counter()
    formats = formats_of(arguments.file_format, arguments.device_target)
    start_runtime(arguments.device_target, arguments.seed)
    manifest = manifest_of(arguments)
    names = tuple(category.name for category in manifest.categories)
    network, network_settings = load_network(arguments.ckpt_file, names)
    fitted = input_as_trained(arguments.ckpt_file, network_settings, arguments.testing_shape, arguments.letterbox)
    settings = settings_from(ExportSettings, arguments, **fitted)
    split = load_split(manifest, "train")
    images = input_batch(split, network_settings.mean_std, settings)
    written = export_network(network, manifest.category_ids, settings, formats, images, arguments.output_dir)
    for entry in written:
        logging.info("%(file)s: %(bytes)d bytes, largest difference from the network %(largest_difference)s", entry)
    report = {
        "checkpoint": {"file": arguments.ckpt_file.name, "sha256": sha256_of(arguments.ckpt_file)},
        "settings": dataclasses.asdict(settings),
        "compared_on": split.file_names[0],
        "files": written,
        "seconds": time.perf_counter() - started,
    }
    write_json(arguments.output_dir / "export.json", report)


if __name__ == "__main__":
    sys.exit(main())
