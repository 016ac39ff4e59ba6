"""Run a model in the native program on the evaluation images and compute its accuracy.

python workflow/scripts/infer_310.py --program results/native310/build/native310 --model yolov3.ms --bins results/bins \
    --manifest results/data/manifest.json --output_dir results/infer_310
python workflow/scripts/infer_310.py --program results/native310/build/native310 --model yolov3.om --engine acl \
    --device ascend --input jpeg --manifest results/data/manifest.json --output_dir results/infer_310
"""

import argparse
import dataclasses
import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yolov3.config.engines import AUTO
from yolov3.config.options import add_options, settings_from
from yolov3.config.stage import run_stage, stage_parser
from yolov3.data.annotations import load_split
from yolov3.data.manifest import Manifest
from yolov3.data.options import add_manifest_options, manifest_of
from yolov3.errors import InputError
from yolov3.files import write_json, write_text
from yolov3.native.accuracy import native_accuracy
from yolov3.native.jpegs import link_jpegs
from yolov3.native.run import NativeRunSettings, native_command, run_program
from yolov3.native.trial import fastest_engine
from yolov3.process import available_cpus
from yolov3.terminal import RESULT


def main(argv: list[str] | None = None) -> int:
    """Run the stage and return its exit code."""
    parser = stage_parser(__doc__)
    parser.add_argument("--program", type=Path, required=True, help="native program native310")
    model = "model, with its description beside it; with --engine auto its forms, .ms and .onnx"
    parser.add_argument("--model", type=Path, nargs="+", required=True, help=model)
    parser.add_argument("--bins", type=Path, help="folder of the prepared images, for --input bins")
    add_manifest_options(parser)
    parser.add_argument("--output_dir", type=Path, required=True, help="folder of the results")
    parser.add_argument("--threads", type=int, default=available_cpus(), help="CPU threads of the network")
    add_options(parser, "infer")
    add_options(parser, "eval", only=("eval_ignore_threshold", "nms_thresh", "max_detections", "multi_label"))
    return run_stage(run, parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> None:
    """Run the program, evaluate its detections, and write acc.log and metrics.json."""
    if arguments.input == "bins" and arguments.bins is None:
        raise InputError("--bins is missing: give the folder of the prepared images, or --input jpeg")
    settings, model, trial = settings_from(NativeRunSettings, arguments), arguments.model[0], {}
    manifest = manifest_of(arguments)
    if settings.engine == AUTO:
        engine, model, trial = fastest_engine(arguments.program, arguments.model, arguments.bins, settings)
        settings = dataclasses.replace(settings, engine=engine)
    arguments.output_dir.mkdir(parents=True, exist_ok=True)
    with images_of(arguments, manifest) as (images, annotations):
        run_program(
            native_command(arguments.program, model, images, arguments.output_dir, settings, annotations=annotations)
        )
    result, metrics = native_accuracy(manifest, arguments.output_dir)
    metrics["native"]["model_file"] = model.name
    if trial:
        metrics["native"]["trial_ms"] = trial
    logging.info("\n%s", result.summary)
    logging.log(RESULT, "AP %(AP).4f, AP50 %(AP50).4f, %(images_per_second).1f images/s", metrics)
    write_text(arguments.output_dir / "acc.log", result.summary)
    write_json(arguments.output_dir / "metrics.json", metrics)


@contextmanager
def images_of(arguments: argparse.Namespace, manifest: Manifest) -> Iterator[tuple[Path, Path | None]]:
    """Return the folder of the images that the program reads, and their annotations if they are JPEG files."""
    if arguments.input == "bins":
        yield arguments.bins, None
        return
    split = load_split(manifest, "val")
    with tempfile.TemporaryDirectory(prefix=".images-", dir=arguments.output_dir) as folder:
        yield link_jpegs(split, range(len(split)), Path(folder))


if __name__ == "__main__":
    sys.exit(main())
