"""Evaluate a trained network, in any of its forms, with the COCO metrics.

python workflow/scripts/eval_coco.py --manifest results/data/manifest.json --pretrained yolov3.ckpt
python workflow/scripts/eval_coco.py --manifest results/data/manifest.json --pretrained yolov3_darknet53_int8.ms

--pretrained is a checkpoint (.ckpt) or an exported model with its description beside it: .mindir or .onnx (float or
int8), or .ms, .om and, with --device ascend, .mindir, which run in the native program.
"""

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from yolov3.config.engines import DEVICE_OF_ENGINE
from yolov3.config.options import add_options, settings_from
from yolov3.config.stage import run_stage, stage_parser
from yolov3.data.annotations import load_split
from yolov3.data.manifest import Manifest
from yolov3.data.options import add_manifest_options, manifest_of
from yolov3.evaluation.analysis import analysed_result
from yolov3.evaluation.coco_metrics import CocoResult
from yolov3.evaluation.coco_results import write_results
from yolov3.evaluation.evaluate import detect_split, evaluation_settings_from
from yolov3.evaluation.true_boxes import TrueBoxes
from yolov3.files import write_json, write_text
from yolov3.prediction.engines import native_engine
from yolov3.process import available_cpus
from yolov3.terminal import RESULT, progress_bar


def main(argv: list[str] | None = None) -> int:
    """Run the stage and return its exit code."""
    parser = stage_parser(__doc__)
    add_manifest_options(parser)
    parser.add_argument("--pretrained", type=Path, required=True, help="checkpoint or exported model to evaluate")
    parser.add_argument("--output_dir", type=Path, default=Path("outputs"), help="folder of the results")
    add_options(parser, "", only=("device_target", "seed"))
    add_options(parser, "eval")
    program = Path("results/native310/build/native310")
    parser.add_argument("--program", type=Path, default=program, help=f"native310, for .ms and .om. Default: {program}")
    parser.add_argument("--bins", type=Path, help="its prepared images. Default: prepared in a temporary folder")
    add_options(parser, "infer", only=("device", "device_id", "precision", "warmup"))
    return run_stage(run, parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> None:
    """Detect on the validation images, compare with the ground truth, and write the three results."""
    manifest = manifest_of(arguments)
    names = tuple(category.name for category in manifest.categories)
    if engine := native_engine(arguments.pretrained, arguments.device):
        result, metrics = run_natively(arguments, manifest, names, engine)
    else:
        result, metrics = run_in_python(arguments, manifest, names)
    logging.info("\n%s", result.summary)
    logging.log(RESULT, "AP %(AP).4f, AP50 %(AP50).4f, %(images_per_second).1f images/s", metrics)
    write_text(arguments.output_dir / "acc.log", result.summary)
    write_json(arguments.output_dir / "metrics.json", metrics)


def run_in_python(
    arguments: argparse.Namespace, manifest: Manifest, names: tuple[str, ...]
) -> tuple[CocoResult, dict[str, Any]]:
    """Evaluate a checkpoint or an exported model by MindSpore or ONNX Runtime."""
    # Imported only here, because it takes seconds, which wrong options need not wait for.
    from yolov3.distributed.worker import start_runtime
    from yolov3.prediction.detector import load_model

    started = time.perf_counter()
    start_runtime(arguments.device_target, arguments.seed)
    infer, model = load_model(arguments.pretrained, arguments.testing_shape, arguments.letterbox, names)
    network_input = {"testing_shape": model.testing_shape, "letterbox": model.letterbox}
    if arguments.pretrained.suffix != ".ckpt":
        network_input["eval_batch_size"] = model.batch_size
    settings = evaluation_settings_from(arguments, network_input)
    split, truth = load_split(manifest, "val"), TrueBoxes.of_split(manifest, "val")
    with progress_bar(total=len(split)) as bar:
        found = detect_split(infer, model, split, settings, on_images=bar.update, is_decoded=model.keep_detect)
    result = analysed_result(truth, found.rows)
    total = time.perf_counter() - started
    parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in found.seconds.items())
    logging.info("%d images, %d detections in %.1f s: %s", len(split), len(found.rows), total, parts)
    write_results(arguments.output_dir / "detections.json", found.rows, truth.ids)
    metrics = {
        **result.metrics,
        "images": len(split),
        "seconds": {**found.seconds, "total": total},
        "images_per_second": len(split) / sum(found.seconds.values()),
    }
    return result, metrics


def run_natively(
    arguments: argparse.Namespace, manifest: Manifest, names: tuple[str, ...], engine: str
) -> tuple[CocoResult, dict[str, Any]]:
    """Evaluate a model in the native program, which writes the detections itself."""
    from yolov3.native.accuracy import native_accuracy
    from yolov3.native.bins import BinsSettings, write_bins
    from yolov3.native.run import NativeRunSettings, native_command, run_program
    from yolov3.prediction.detector import read_description

    model, folder = arguments.pretrained, arguments.output_dir
    description = read_description(model, arguments.testing_shape, arguments.letterbox, names)
    settings = settings_from(
        NativeRunSettings,
        arguments,
        engine=engine,
        device=DEVICE_OF_ENGINE.get(engine, arguments.device),
        raw_maps=False,
        threads=available_cpus(),
    )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".images-", dir=folder) as temporary:
        bins = arguments.bins
        if bins is None:
            bins, split = Path(temporary) / "bins", load_split(manifest, "val")
            prepared = BinsSettings(description.testing_shape, description.letterbox, description.mean_std, "uint8")
            with progress_bar(total=len(split)) as bar:
                write_bins(split, range(len(split)), prepared, bins, on_images=bar.update)
        run_program(native_command(arguments.program, model, bins, folder, settings))
    return native_accuracy(manifest, folder)


if __name__ == "__main__":
    sys.exit(main())
