"""Cluster the boxes of the training images into nine anchors, and compare them with the published ones.

python workflow/scripts/cluster_anchors.py --manifest results/data/manifest.json --testing_shape 416 \
    --output results/anchors/anchors.json
"""

import argparse
import dataclasses
import json
import logging
import sys
from pathlib import Path

from yolov3.config.options import add_options
from yolov3.config.schema import section_schema
from yolov3.config.stage import run_stage, stage_parser
from yolov3.config.trained_input import training_input
from yolov3.data.annotations import load_split
from yolov3.data.options import add_manifest_options, manifest_of
from yolov3.files import write_json
from yolov3.terminal import RESULT
from yolov3.training.anchors import cluster_anchors, fit_of, network_box_sizes


def main(argv: list[str] | None = None) -> int:
    """Run the stage and return its exit code."""
    parser = stage_parser(__doc__)
    add_manifest_options(parser)
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    add_options(parser, "eval", only=("testing_shape", "letterbox"))
    add_options(parser, "", only=("seed",))
    return run_stage(run, parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> None:
    """Cluster the boxes, log the anchors and write them."""
    fitted = training_input(arguments.testing_shape, arguments.letterbox)
    input_size, letterbox = (fitted["testing_shape"],) * 2, fitted["letterbox"]
    sizes_wh = network_box_sizes(load_split(manifest_of(arguments), "train"), input_size, letterbox)
    published = tuple((width, height) for width, height in section_schema("network")["anchor_scales"]["default"])
    clustered = fit_of(cluster_anchors(sizes_wh, arguments.seed), sizes_wh)
    fits = {"clustered": clustered, "published": fit_of(published, sizes_wh)}
    lines = [f"{len(sizes_wh)} boxes at an input of {input_size[1]} x {input_size[0]} pixels"]
    for name, fit in fits.items():
        lines += [
            f"{name}: {' '.join(f'{width:g}x{height:g}' for width, height in fit.anchors)}",
            f"{'':{len(name)}}  mean best IoU {fit.mean_best_iou:.3f}, recall at IoU 0.5 {fit.recall:.3f}",
        ]
    lines += [f"network:\n  anchor_scales: {json.dumps(clustered.anchors)}"]
    logging.log(RESULT, "%s", "\n".join(lines))
    write_json(
        arguments.output,
        {
            "anchors": clustered.anchors,
            "input_size": input_size,
            "letterbox": letterbox,
            "boxes": len(sizes_wh),
            "fits": {name: dataclasses.asdict(fit) for name, fit in fits.items()},
        },
    )


if __name__ == "__main__":
    sys.exit(main())
