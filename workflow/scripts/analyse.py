#!/usr/bin/env python3
"""Analyse COCO results of any program: the COCO metrics, and why they are what they are.

analyse.py --annotations instances_val2017.json --detections results.json --image_dir val2017 --output_dir analysis

Writes acc.log, metrics.json and analysis.html. Without --image_dir the page has no pictures.
"""

import argparse
import logging
import sys
from pathlib import Path

from yolov3.config.stage import run_stage, stage_parser
from yolov3.data.annotations import annotation_rows, categories_of, read_annotations, split_of, usable_dataset
from yolov3.errors import InputError
from yolov3.evaluation.analysis import analysed_result
from yolov3.evaluation.coco_results import detections_of, read_results
from yolov3.evaluation.true_boxes import TrueBoxes
from yolov3.files import write_json, write_text
from yolov3.report.analysis import Analysis, write_analysis_page
from yolov3.report.gallery import gallery
from yolov3.terminal import RESULT


def run(arguments: argparse.Namespace) -> None:
    """Evaluate the detections and write the three files."""
    dataset = read_annotations(arguments.annotations)
    categories = categories_of(dataset)
    boxes = annotation_rows(dataset, categories)
    split = split_of(dataset, boxes, arguments.image_dir or Path())
    truth = TrueBoxes.of(usable_dataset(dataset, boxes, categories))
    detections = read_results(arguments.detections, truth.ids, advice="give the annotations that they belong to")
    if len(detections) and not 0 <= detections[:, 5].min() <= detections[:, 5].max() <= 1:
        raise InputError(f"detections file {arguments.detections} has scores outside of 0 to 1: divide them by 100")
    result = analysed_result(truth, detections)
    analysis = Analysis.of(result.metrics["analysis"])
    pictures = []
    if arguments.image_dir:
        worst = [entry.image for entry in analysis.worst_images[: arguments.images]]
        found = {index: detections_of(detections[detections[:, 0] == index]) for index in worst}
        score = analysis.threshold.score if analysis.threshold else 0.0
        pictures = gallery(split, worst, analysis.class_names, [("Detections", found)], score)
    write_text(arguments.output_dir / "acc.log", result.summary)
    write_json(arguments.output_dir / "metrics.json", {**result.metrics, "images": len(split)})
    page = arguments.output_dir / "analysis.html"
    write_analysis_page(arguments.detections.name, result.metrics, analysis, pictures, page)
    logging.info("\n%s", result.summary)
    logging.log(RESULT, "AP %.4f, AP50 %.4f; %s", result.metrics["AP"], result.metrics["AP50"], page)


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and run; return the exit code."""
    parser = stage_parser(__doc__)
    parser.add_argument("--annotations", type=Path, required=True, help="COCO file of the true boxes")
    parser.add_argument("--detections", type=Path, required=True, help="COCO results: a list of detections")
    parser.add_argument("--image_dir", type=Path, help="folder of the images, to show the worst of them")
    parser.add_argument("--images", type=int, default=12, help="number of images to show (default: 12)")
    parser.add_argument("--output_dir", type=Path, default=Path("analysis"), help="folder to write to")
    return run_stage(run, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
