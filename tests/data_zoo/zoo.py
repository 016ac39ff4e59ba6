"""A small data set that the cases of the zoo spoil, and the run of the program on it."""

import copy
import importlib.util
import io
import json
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from yolov3.data.annotations import load_split
from yolov3.data.manifest import Manifest
from yolov3.evaluation.coco_metrics import coco_result
from yolov3.evaluation.coco_results import CocoIds, read_results, write_results
from yolov3.evaluation.true_boxes import TrueBoxes

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "download.py"
SIZES_WH = ((60, 50), (40, 90), (64, 64), (120, 80))
CATEGORIES = ((3, "cat"), (7, "dog"))


def clean_dataset() -> dict[str, Any]:
    """Return four images with two boxes of each class and one crowd."""
    rng = np.random.default_rng(1)
    images, annotations = [], []
    for image_id, (width, height) in enumerate(SIZES_WH, start=1):
        images.append({"id": image_id, "file_name": f"{image_id}.png", "width": width, "height": height})
        for category_id, _ in CATEGORIES * 2:
            w, h = (int(side) for side in rng.integers(10, min(width, height) // 2, 2))
            left, top = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
            fields = {"id": len(annotations) + 1, "image_id": image_id, "category_id": category_id}
            annotations.append({**fields, "bbox": [left, top, w, h], "area": w * h, "iscrowd": 0})
    annotations[-1]["iscrowd"] = 1
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": category_id, "name": name} for category_id, name in CATEGORIES],
    }


@dataclass
class Data:
    """What a case may spoil before it is written.

    Attributes:
        train, val: COCO data sets.
        texts: text of an annotation file, by split, in place of its data set.
        files: content of image files by name, in place of noise.
        options: further words of the command line.
    """

    train: dict[str, Any] = field(default_factory=clean_dataset)
    val: dict[str, Any] = field(default_factory=clean_dataset)
    texts: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write annotation files and images."""
        rng = np.random.default_rng(2)
        (folder / "images").mkdir(parents=True)
        for number, (width, height) in enumerate(SIZES_WH, start=1):
            noise = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
            content = cv2.imencode(".png", noise)[1].tobytes()
            (folder / "images" / f"{number}.png").write_bytes(content)
        for name, content in self.files.items():
            path = folder / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for split in ("train", "val"):
            text = self.texts.get(split, json.dumps(getattr(self, split)).encode())
            (folder / f"{split}.json").write_bytes(text)


@lru_cache(maxsize=1)
def program() -> ModuleType:
    """Return the program as a module."""
    spec = importlib.util.spec_from_file_location("zoo_download", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_on(data: Data, folder: Path) -> tuple[int, Manifest | None]:
    """Write the data and check them as the workflow does; return the exit code and the manifest if there is one."""
    data.write(folder)
    words = ["--provider", "custom", "--manifest", str(folder / "manifest.json"), *data.options]
    for split in ("train", "val"):
        words += [
            f"--{split}_image_dir",
            str(folder / "images"),
            f"--{split}_annotations",
            str(folder / f"{split}.json"),
        ]
    code = program().main(words)
    return code, Manifest.read(folder / "manifest.json") if code == 0 else None


def detections_near(dataset: dict[str, Any]) -> list[dict[str, Any]]:
    """Return COCO results near the boxes of a clean data set, by position in its annotations, and some false ones."""
    rng = np.random.default_rng(3)
    results = []
    for row in dataset["annotations"]:
        bbox = (np.array(row["bbox"]) + rng.normal(0, 2, 4)).round(2).clip(1).tolist()
        results.append({"image_id": row["image_id"], "category_id": row["category_id"], "bbox": bbox, "score": 0.0})
    for index, result in enumerate(results):
        result["score"] = round(float(rng.uniform(0.2, 1)), 5)
        if index % 3 == 0:
            result["bbox"] = [1.0, 1.0, 9.0, 9.0]
    return results


def ap_of_pycocotools(dataset: dict[str, Any], results: list[dict[str, Any]]) -> float:
    """Return the AP that pycocotools finds by itself."""
    with redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"info": {}, **copy.deepcopy(dataset)}
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(copy.deepcopy(results)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def ap_of_ours(manifest: Manifest, results: list[dict[str, Any]], folder: Path) -> float:
    """Return our AP of a results file, which is read, written and read again."""
    ids = CocoIds(load_split(manifest, "val").image_ids, manifest.category_ids)
    (folder / "theirs.json").write_text(json.dumps(results))
    write_results(folder / "ours.json", read_results(folder / "theirs.json", ids), ids)
    assert json.loads((folder / "ours.json").read_text()) == results
    return coco_result(TrueBoxes.of_split(manifest, "val"), read_results(folder / "ours.json", ids)).metrics["AP"]
