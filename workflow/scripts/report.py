#!/usr/bin/env python3
"""Write the report: one HTML page with the data, the training and the accuracy; beside it the settings, config.json.

report.py --manifest results/data/manifest.json --train_metrics results/train/metrics.csv \\
    --train_summary results/train/train.json --eval_metrics results/eval_coco/metrics.json \\
    --detections results/eval_coco/detections.json --output results/report/report.html
"""

import argparse
import logging
import sys
from pathlib import Path

from yolov3.config.options import add_options, settings_from
from yolov3.config.stage import run_stage, stage_parser
from yolov3.data.annotations import load_split
from yolov3.data.manifest import Manifest
from yolov3.errors import InputError
from yolov3.evaluation.coco_results import CocoIds
from yolov3.files import write_json
from yolov3.report.analysis import Analysis
from yolov3.report.data import (
    Training,
    WeightsSource,
    read_accuracy,
    read_data_remarks,
    read_stage_times,
    read_training,
    read_weights_source,
)
from yolov3.report.diagnosis import causes_of, symptoms_of
from yolov3.report.exports import read_exports
from yolov3.report.gallery import chosen_images, gallery, jpeg_data_uri, read_detections
from yolov3.report.native import read_native_run
from yolov3.report.page import ReportContent, ReportSettings, read_config, write_page
from yolov3.report.quantization import read_quantization

# Name of the program that evaluates the trained network, in its column's heading and under its pictures.
PROGRAM = "MindSpore"


def run(arguments: argparse.Namespace) -> None:
    """Read the results of the other stages and write the page."""
    settings = settings_from(ReportSettings, arguments)
    manifest = Manifest.read(arguments.manifest)
    split = load_split(manifest, "val")
    programs = [(PROGRAM, arguments.eval_metrics, arguments.detections)]
    programs += [(name, Path(metrics), Path(detections)) for name, metrics, detections in arguments.native]
    accuracies = tuple(read_accuracy(name, metrics) for name, metrics, _ in programs)
    analysis = Analysis.read(arguments.eval_metrics)
    score = analysis.threshold.score if analysis.threshold else settings.gallery_score
    indices = chosen_images(len(split), settings.gallery_images)
    worst = [entry.image for entry in analysis.worst_images[: settings.gallery_images]]
    ids = CocoIds(split.image_ids, manifest.category_ids)
    shown, min_score = sorted({*indices, *worst}), min(score, settings.gallery_score)
    named_detections = [(name, read_detections(detections, ids, shown, min_score)) for name, _, detections in programs]
    class_names = tuple(category.name for category in manifest.categories)
    origin = origin_of_weights(arguments)
    config = read_config(arguments.config_json)
    training = origin if isinstance(origin, Training) else None
    is_finetuned = bool(training and config and config["train"].get("resume_yolov3"))
    symptoms, causes = symptoms_of(accuracies[0], training, is_finetuned), []
    if symptoms:
        logging.warning("the network has learned next to nothing: %s", ", ".join(symptoms))
        if training and config:
            causes = causes_of(config, training, load_split(manifest, "train"), class_names)
        for cause in causes:
            logging.warning("a likely cause: %s", cause)
    content = ReportContent(
        manifest=manifest,
        origin=origin,
        accuracies=accuracies,
        native_runs=tuple(read_native_run(name, metrics) for name, metrics, _ in programs[1:]),
        quantization=read_quantization(arguments.quantization, programs[-1][1]) if arguments.quantization else None,
        exports=read_exports(arguments.exports[0], arguments.exports[1:]) if arguments.exports else (),
        stage_times=tuple(read_stage_times(arguments.benchmarks)),
        analysis=analysis,
        pictures=tuple(gallery(split, indices, class_names, named_detections, settings.gallery_score)),
        worst_pictures=tuple(gallery(split, worst, class_names, named_detections, score)),
        config=config,
        preview=jpeg_data_uri(arguments.preview) if arguments.preview else None,
        data_remarks=read_data_remarks(arguments.data_numbers) if arguments.data_numbers else (),
        symptoms=tuple(symptoms),
        causes=tuple(causes),
    )
    write_page(content, settings, arguments.output)
    write_json(arguments.output.with_name("config.json"), config)
    size = arguments.output.stat().st_size
    logging.info("%s: %d pictures, %.2f MB", arguments.output, len(content.pictures), size / 1e6)


def origin_of_weights(arguments: argparse.Namespace) -> Training | WeightsSource:
    """Read the results of the training, or the summary of the weights used instead of one.

    Raises:
        InputError: the options give neither, or a file cannot be read.
    """
    if arguments.weights_summary:
        return read_weights_source(arguments.weights_summary)
    if arguments.train_metrics and arguments.train_summary:
        return read_training(arguments.train_metrics, arguments.train_summary)
    raise InputError(
        "the origin of the weights is not given: add --train_metrics and --train_summary of a training, or "
        "--weights_summary of converted weights"
    )


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and run; return the exit code."""
    parser = stage_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True, help="manifest of the data set")
    parser.add_argument("--train_metrics", type=Path, help="metrics.csv of the training")
    parser.add_argument("--train_summary", type=Path, help="train.json of the training")
    parser.add_argument("--preview", type=Path, help="picture of the first training batches, JPEG")
    parser.add_argument("--data_numbers", type=Path, help="data.json of the page of the data set")
    parser.add_argument("--weights_summary", type=Path, help="instead of a training: name.json of converted weights")
    parser.add_argument("--eval_metrics", type=Path, required=True, help="metrics.json of the evaluation")
    parser.add_argument("--detections", type=Path, required=True, help="detections.json of the evaluation")
    parser.add_argument(
        "--native",
        nargs=3,
        action="append",
        default=[],
        metavar=("NAME", "METRICS", "DETECTIONS"),
        help="results of a run of the native program; float first, then int8",
    )
    parser.add_argument("--quantization", type=Path, nargs="*", default=[], help="quant.json of each int8 model")
    exports_help = "export.json, and the metrics.json of each evaluated exported model"
    parser.add_argument("--exports", type=Path, nargs="*", default=[], help=exports_help)
    parser.add_argument("--benchmarks", type=Path, nargs="*", default=[], help="Snakemake's benchmark files of stages")
    parser.add_argument("--config_json", default="{}", help="the resolved configuration as JSON text")
    parser.add_argument("--output", type=Path, required=True, help="page to write")
    add_options(parser, "report")
    return run_stage(run, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
