"""Measure time and peak memory of what reads whole annotations, on generated ones of COCO 2014's size.

    python benchmarks/scale.py

40,504 validation images with 100 detections and 7.2 boxes each, 82,783 training images, 80 classes. The images of a
split are links to 500 files, so that each has many that look alike. Each part runs in a process of its own to measure
its peak memory.
"""

import argparse
import contextlib
import itertools
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil

from yolov3.config.config import complete_config
from yolov3.data.annotations import load_split
from yolov3.data.checks import CheckSettings, check_dataset
from yolov3.data.manifest import Manifest
from yolov3.evaluation.analysis import analysed_result
from yolov3.evaluation.coco_results import CocoIds, read_results, write_results
from yolov3.evaluation.true_boxes import TrueBoxes
from yolov3.training.augment import AugmentSettings
from yolov3.training.batches import BatchSource, batches
from yolov3.training.sampler import SamplerSettings

ROOT = Path(__file__).parents[1]
TRAIN_IMAGES, VAL_IMAGES, CLASSES, DETECTIONS = 82_783, 40_504, 80, 100
BOXES_PER_IMAGE = 7.2
SAMPLE_SECONDS = 0.3
SIZE_WH = (640, 480)
ORIGINALS = 500
# COCO's annotations have outlines, which are not used but make up most of the file.
OUTLINE = [round(10.37 * index, 2) for index in range(44)]


def write_split(folder: Path, name: str, images: int, seed: int) -> None:
    """Write a split whose images are links to ORIGINALS JPEGs of coloured patches with noise."""
    rng = np.random.default_rng(seed)
    image_dir = folder / name
    image_dir.mkdir()
    originals = [folder / f"{name} {index}.jpg" for index in range(ORIGINALS)]
    for original in originals:
        patches = cv2.resize(rng.integers(0, 224, (12, 16, 3), dtype=np.uint8), SIZE_WH, interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(original), patches + rng.integers(0, 32, patches.shape, dtype=np.uint8))
    names = [f"COCO_{name}2014_{number:012d}.jpg" for number in range(1, images + 1)]
    for file_name, original in zip(names, itertools.cycle(originals), strict=False):
        (image_dir / file_name).symlink_to(original)
    owners = np.sort(rng.integers(1, images + 1, int(images * BOXES_PER_IMAGE)))
    boxes = np.concatenate([rng.uniform(0, (500, 350), (len(owners), 2)), rng.uniform(8, 130, (len(owners), 2))], 1)
    categories = np.minimum(rng.exponential(CLASSES / 4, len(owners)).astype(int), CLASSES - 1) + 1
    annotations = [
        {
            "id": index + 1,
            "image_id": int(owner),
            "category_id": int(category),
            "bbox": [round(value, 2) for value in box],
            "area": round(box[2] * box[3], 2),
            "iscrowd": 0,
            "segmentation": [OUTLINE],
        }
        for index, (owner, category, box) in enumerate(zip(owners, categories, boxes.tolist(), strict=True))
    ]
    dataset = {
        "images": [
            {"id": number, "file_name": file_name, "width": SIZE_WH[0], "height": SIZE_WH[1]}
            for number, file_name in enumerate(names, 1)
        ],
        "annotations": annotations,
        "categories": [{"id": number, "name": f"class {number}"} for number in range(1, CLASSES + 1)],
    }
    (folder / f"{name}.json").write_text(json.dumps(dataset), encoding="utf-8")


def write_data(folder: Path) -> None:
    """Write both splits and the manifest."""
    write_split(folder, "train", TRAIN_IMAGES, 1)
    write_split(folder, "val", VAL_IMAGES, 2)
    describe(folder).write(folder / "manifest.json")


def describe(folder: Path) -> Manifest:
    places = {name: (folder / name, folder / f"{name}.json") for name in ("train", "val")}
    return check_dataset("custom", places, CheckSettings("header", False))


def write_detections(folder: Path) -> None:
    """Write detections: one near each true box, and random ones."""
    rng = np.random.default_rng(3)
    split = load_split(Manifest.read(folder / "manifest.json"), "val")
    rows = np.empty((VAL_IMAGES * DETECTIONS, 7))
    rows[:, 0] = np.repeat(np.arange(VAL_IMAGES), DETECTIONS)
    rows[:, 1:3] = rng.uniform(0, (500, 350), (len(rows), 2)).round(2)
    rows[:, 3:5] = rng.uniform(8, 130, (len(rows), 2)).round(2)
    rows[:, 5] = rng.uniform(0.001, 0.5, len(rows)).round(5)
    rows[:, 6] = np.minimum(rng.exponential(CLASSES / 4, len(rows)).astype(int), CLASSES - 1)
    for image in range(VAL_IMAGES):
        boxes_xyxy, labels = split.boxes_of(image)
        count = min(len(labels), DETECTIONS)
        first = image * DETECTIONS
        rows[first : first + count, 1:3] = boxes_xyxy[:count, :2] + 2
        rows[first : first + count, 3:5] = boxes_xyxy[:count, 2:] - boxes_xyxy[:count, :2]
        rows[first : first + count, 5] = 0.9
        rows[first : first + count, 6] = labels[:count]
    write_results(folder / "detections.json", rows, ids_of(Manifest.read(folder / "manifest.json")))


def ids_of(manifest: Manifest) -> CocoIds:
    return CocoIds(load_split(manifest, "val").image_ids, manifest.category_ids)


def evaluate(folder: Path) -> None:
    manifest = Manifest.read(folder / "manifest.json")
    rows = read_results(folder / "detections.json", ids_of(manifest))
    result = analysed_result(TrueBoxes.of_split(manifest, "val"), rows)
    print(f"    AP {result.metrics['AP']:.3f}")


def first_batch(folder: Path) -> None:
    config = complete_config({})
    train, network = config["train"], config["network"]
    augment = {name: train[name] for name in ("jitter", "scale_min", "scale_max", "flip", "hue", "saturation", "value")}
    source = BatchSource.of(
        load_split(Manifest.read(folder / "manifest.json"), "train"),
        SamplerSettings(1, 32, 0, 8, 416, 10),
        AugmentSettings(**augment),
        tuple(map(tuple, network["anchor_scales"])),
        max_box=50,
    )
    next(batches(source, 0, 1, 0))


def data_report(folder: Path) -> None:
    script = ROOT / "workflow" / "scripts" / "data_report.py"
    options = {"--manifest": folder / "manifest.json", "--output_dir": folder / "page", "--testing_shape": 416}
    words = [str(word) for option in options.items() for word in option]
    subprocess.run([sys.executable, str(script), *words], check=True, capture_output=True)


def private_memory(process: psutil.Process) -> int:
    """Return the private memory in bytes of a process and its descendants."""
    total = 0
    for member in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            total += member.memory_full_info().uss
    return total


def measure(part: Callable[[Path], Any], folder: Path) -> None:
    """Run a part in a process of its own and print its time and peak memory, including its descendants."""
    process = multiprocessing.get_context("fork").Process(target=part, args=(folder,))
    started, peak = time.perf_counter(), 0
    process.start()
    watched = psutil.Process(process.pid)
    while process.is_alive():
        with contextlib.suppress(psutil.Error):
            peak = max(peak, private_memory(watched))
        process.join(SAMPLE_SECONDS)
    print(f"{part.__name__:18s} {time.perf_counter() - started:6.1f} s, peak {peak / 2**30:.2f} GiB", flush=True)
    if process.exitcode:
        sys.exit(process.exitcode)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scale-") as name:
        folder = Path(name)
        for part in (write_data, describe, data_report, first_batch, write_detections, evaluate):
            measure(part, folder)


if __name__ == "__main__":
    main()
