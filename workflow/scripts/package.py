#!/usr/bin/env python3
"""Pack the native program, the models and all that a target host needs into a folder and an archive.

package.py --program results/native310/build/native310 --source_dir native310 --license_file LICENSE \\
    --eval_metrics results/eval_coco/metrics.json \\
    --model float results/infer_310/metrics.json results/native_model/yolov3_darknet53.ms \\
    --archive results/package/yolov3_darknet53.tar.gz
"""

import argparse
import logging
import sys
from pathlib import Path

from yolov3.config.options import add_options
from yolov3.config.stage import run_stage, stage_parser
from yolov3.errors import InputError
from yolov3.export.description import ModelDescription
from yolov3.files import read_json
from yolov3.native.package import PackageSettings, PackedModel, write_package
from yolov3.prediction.selection import DEFAULT_SCORE, min_scores_of
from yolov3.terminal import RESULT

SUFFIX = ".tar.gz"


def run(arguments: argparse.Namespace) -> None:
    """Write the package."""
    models = [
        PackedModel.of(words[0], Path(words[1] if len(words) > 1 else ""), list(map(Path, words[2:])))
        for words in arguments.model
    ]
    names = ModelDescription.read(models[0].file).class_names
    thresholds = min_scores_of(arguments.eval_metrics, names)
    threshold = read_json(arguments.eval_metrics)["analysis"]["threshold"]
    settings = PackageSettings(
        program=arguments.program,
        source_dir=arguments.source_dir,
        license_file=arguments.license_file,
        score_thresholds=thresholds,
        score=threshold["score"] if threshold else DEFAULT_SCORE,
        nms_thresh=arguments.nms_thresh,
    )
    archive = arguments.archive
    if not archive.name.endswith(SUFFIX):
        raise InputError(f"archive {archive} must end in {SUFFIX}: rename it")
    write_package(models, settings, archive.with_name(archive.name.removesuffix(SUFFIX)), archive)
    logging.log(RESULT, "%s: %.1f MB", archive, archive.stat().st_size / 1e6)


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and run; return the exit code."""
    parser = stage_parser(__doc__)
    parser.add_argument(
        "--program", type=Path, help="native310, beside its engines; without it only its source is packed"
    )
    parser.add_argument("--source_dir", type=Path, required=True, help="source of native310")
    parser.add_argument("--license_file", type=Path, required=True, help="licence of the project")
    parser.add_argument("--eval_metrics", type=Path, required=True, help="metrics.json with the scores of the best F1")
    model = "name of a model, metrics.json of its native run, and its files; the metrics tell which of them was run"
    words = ("NAME METRICS FILE", "FILE")
    parser.add_argument("--model", nargs="+", action="append", required=True, metavar=words, help=model)
    archive = f"archive to write, NAME{SUFFIX}; the folder NAME is beside it"
    parser.add_argument("--archive", type=Path, required=True, help=archive)
    add_options(parser, "eval", only=("nms_thresh",))
    return run_stage(run, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
