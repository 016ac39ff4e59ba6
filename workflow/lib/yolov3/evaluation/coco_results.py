"""Detections in the COCO result format: rows of an array in memory, JSON on disk.

An array takes 56 bytes per detection, a dictionary over 500, and millions of dictionaries slow the garbage collector.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from yolov3.boxes import Detections, xywh_to_xyxy, xyxy_to_xywh
from yolov3.errors import InputError
from yolov3.files import complete_file, read_json

ROWS_AT_A_TIME = 10_000


def coco_rows(detections: Detections, image_id: int, category_ids: Sequence[int]) -> np.ndarray:
    """Return detections of an image as float64 [M, 7], an array format of results that pycocotools reads.

    Columns: image id, left, top, width, height (pixels, rounded to 1/100), score (rounded to 5 digits), category id.
    """
    rows = np.empty((len(detections), 7))
    rows[:, 0] = image_id
    rows[:, 1:5] = np.round(xyxy_to_xywh(detections.boxes_xyxy.astype(np.float64)), 2)
    rows[:, 5] = np.round(detections.scores.astype(np.float64), 5)
    rows[:, 6] = np.array(category_ids)[detections.labels]
    return rows


def coco_results(rows: np.ndarray) -> list[dict[str, Any]]:
    """Return rows of `coco_rows` as COCO results: image_id, category_id, bbox, score."""
    return [
        {"image_id": int(image_id), "category_id": int(category_id), "bbox": bbox, "score": score}
        for image_id, *bbox, score, category_id in rows.tolist()
    ]


def rows_of_results(results: list[dict[str, Any]]) -> np.ndarray:
    """Return COCO results as rows, float64 [M, 7]; the inverse of `coco_results`."""
    rows = [[entry["image_id"], *entry["bbox"], entry["score"], entry["category_id"]] for entry in results]
    return np.array(rows, np.float64).reshape(-1, 7)


def detections_of(rows: np.ndarray, category_ids: Sequence[int]) -> Detections:
    """Return the detections of an image from its rows of `coco_rows`, in descending order of score.

    Raises:
        KeyError: the category id of a row is not in `category_ids`.
    """
    rows = rows[np.argsort(-rows[:, 5], kind="stable")]
    label_of = {category_id: label for label, category_id in enumerate(category_ids)}
    labels = np.array([label_of[int(category_id)] for category_id in rows[:, 6]], np.int64)
    return Detections(xywh_to_xyxy(rows[:, 1:5]), rows[:, 5], labels)


def read_results(path: str | Path, select: Callable[[np.ndarray], np.ndarray] = lambda rows: rows) -> np.ndarray:
    """Read a COCO results file as rows of `coco_rows`, float64 [M, 7].

    A file with one detection per line, as written by `write_results` and native310, is read in chunks: parsed at once,
    a million detections would take 0.6 GB.

    Args:
        path: JSON list of image_id, category_id, bbox (xywh, pixels), score.
        select: function that filters the rows of a chunk, to save memory.

    Raises:
        InputError: the file is missing, unreadable, not JSON, or an entry is incomplete.
    """
    try:
        try:
            return np.concatenate([select(rows) for rows in _chunks(Path(path))])
        except (OSError, ValueError):
            return select(rows_of_results(read_json(path, "detections file")))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"detections file {path} is not a list of COCO results ({type(error).__name__}: {error}): run the "
            "evaluation again"
        ) from None


def _chunks(path: Path) -> Iterator[np.ndarray]:
    """Yield rows of a file that has one detection per line."""
    with path.open(encoding="utf-8") as stream:
        if stream.readline() != "[\n":
            raise ValueError("the first detection does not start on the second line")
        lines: list[str] = []
        while following := list(itertools.islice(stream, ROWS_AT_A_TIME)):
            if lines:
                yield rows_of_results(json.loads(f"[{''.join(lines).rstrip().removesuffix(',')}]"))
            lines = following
    # The last chunk ends with the closing bracket of the file.
    yield rows_of_results(json.loads(f"[{''.join(lines)}"))


def write_results(path: str | Path, rows: np.ndarray) -> None:
    """Write rows of `coco_rows` as a COCO results file with one detection per line; never leave a partial file."""
    with complete_file(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        separator = "[\n"
        for first in range(0, len(rows), ROWS_AT_A_TIME):
            for result in coco_results(rows[first : first + ROWS_AT_A_TIME]):
                stream.write(separator + json.dumps(result))
                separator = ",\n"
        stream.write("\n]\n" if len(rows) else "[]\n")
