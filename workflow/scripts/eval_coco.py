"""Evaluate a checkpoint with the COCO metrics.

python workflow/scripts/eval_coco.py --manifest results/data/manifest.json --pretrained yolov3.ckpt
"""

import argparse
import logging
import sys
import time
from pathlib import Path

from yolov3.config.options import add_options
from yolov3.config.stage import run_stage, stage_parser
from yolov3.config.trained_input import input_as_trained
from yolov3.data.annotations import load_split
from yolov3.data.options import add_manifest_options, manifest_of
from yolov3.evaluation.analysis import analysed_result
from yolov3.evaluation.coco_results import write_results
from yolov3.evaluation.evaluate import detect_split, evaluation_settings_from
from yolov3.evaluation.true_boxes import TrueBoxes
from yolov3.files import write_json, write_text
from yolov3.terminal import RESULT, progress_bar


def main(argv: list[str] | None = None) -> int:
    """Run the stage and return its exit code."""
    parser = stage_parser(__doc__)
    add_manifest_options(parser)
    parser.add_argument("--pretrained", type=Path, required=True, help="checkpoint to evaluate")
    parser.add_argument("--output_dir", type=Path, default=Path("outputs"), help="folder of the results")
    add_options(parser, "", only=("device_target", "seed"))
    add_options(parser, "eval")
    return run_stage(run, parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> None:
    """Detect on the validation images, compare with the ground truth, and write the three results."""
    # Imported only here, because it takes seconds, which wrong options need not wait for.
    from yolov3.distributed.worker import start_runtime
    from yolov3.network.inference import inference_of
    from yolov3.weights.checkpoint import load_network

    started = time.perf_counter()
    start_runtime(arguments.device_target, arguments.seed)
    manifest = manifest_of(arguments)
    names = tuple(category.name for category in manifest.categories)
    network, network_settings = load_network(arguments.pretrained, names)
    fitted = input_as_trained(arguments.pretrained, network_settings, arguments.testing_shape, arguments.letterbox)
    split, truth = load_split(manifest, "val"), TrueBoxes.of_split(manifest, "val")
    with progress_bar(total=len(split)) as bar:
        result = detect_split(
            inference_of(network),
            network_settings,
            split,
            evaluation_settings_from(arguments, fitted),
            on_images=bar.update,
        )
    coco = analysed_result(truth, result.rows)
    total = time.perf_counter() - started
    metrics = {
        **coco.metrics,
        "images": len(split),
        "seconds": {**result.seconds, "total": total},
        "images_per_second": len(split) / sum(result.seconds.values()),
    }
    parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in result.seconds.items())
    logging.info("%d images, %d detections in %.1f s: %s", len(split), len(result.rows), total, parts)
    logging.info("\n%s", coco.summary)
    logging.log(RESULT, "AP %(AP).4f, AP50 %(AP50).4f, %(images_per_second).1f images/s", metrics)
    write_results(arguments.output_dir / "detections.json", result.rows, truth.ids)
    write_text(arguments.output_dir / "acc.log", coco.summary)
    write_json(arguments.output_dir / "metrics.json", metrics)


if __name__ == "__main__":
    sys.exit(main())
