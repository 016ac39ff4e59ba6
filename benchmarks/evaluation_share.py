"""Time the parts of an evaluation: the full network at 416 px on the validation images of any data set.

    python benchmarks/evaluation_share.py results/data/manifest.json [images]

Prints the share of each part. The weights are random; their many candidates are the worst case for post-processing.
"""

import dataclasses
import sys
from pathlib import Path

import mindspore
import numpy as np

from yolov3.config.config import complete_config
from yolov3.data.annotations import load_split
from yolov3.data.manifest import Manifest
from yolov3.distributed.worker import start_runtime
from yolov3.evaluation.evaluate import EvaluationSettings, detect_split
from yolov3.evaluation.postprocess import PostprocessSettings
from yolov3.network.inference import inference_of
from yolov3.network.settings import NetworkSettings
from yolov3.network.yolo import YOLOv3


def main(manifest_path: str, images: int = 40) -> None:
    start_runtime("CPU", 1)
    values = complete_config({})["network"]
    settings = NetworkSettings.from_values(
        {**values, "anchors": values["anchor_scales"], "class_names": [f"class {number}" for number in range(80)]}
    )
    infer = inference_of(YOLOv3(settings))
    infer(np.zeros((1, 3, 416, 416), np.float32))
    split = load_split(Manifest.read(Path(manifest_path)), "val")
    split = dataclasses.replace(split, image_ids=split.image_ids[:images], file_names=split.file_names[:images])
    evaluation = EvaluationSettings(416, 1, False, PostprocessSettings(0.001, 0.5, 0))
    result = detect_split(infer, settings, split, list(range(80)), evaluation)
    seconds = vars(result.seconds)
    total = sum(seconds.values())
    print(f"MindSpore {mindspore.__version__}, {len(split)} images, {len(result.rows)} detections")
    for name, value in seconds.items():
        print(f"{name:12s} {value:7.2f} s  {value / total:6.1%}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
