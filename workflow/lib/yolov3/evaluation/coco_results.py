"""Detections in the COCO result format: rows of an array in memory, JSON on disk.

An array takes 56 bytes per detection, a dictionary over 500, and millions of dictionaries slow the garbage collector.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from yolov3.boxes import Detections, xywh_to_xyxy, xyxy_to_xywh
from yolov3.errors import InputError
from yolov3.files import complete_file, read_json

ROWS_AT_A_TIME = 10_000


@dataclass(frozen=True)
class CocoIds:
    """The ids by which files name images and classes. In memory both are indices, as ids may be of any size.

    Attributes:
        image_ids: id of each image of a split.
        category_ids: id of each class.
    """

    image_ids: Sequence[int]
    category_ids: Sequence[int]

    @cached_property
    def image_index(self) -> dict[int, int]:
        """Index of each image id."""
        return {image_id: index for index, image_id in enumerate(self.image_ids)}

    @cached_property
    def label(self) -> dict[int, int]:
        """Index of each category id."""
        return {category_id: label for label, category_id in enumerate(self.category_ids)}


def coco_rows(detections: Detections, image_index: int) -> np.ndarray:
    """Return detections of an image as float64 [M, 7].

    Columns: image index, left, top, width, height (pixels, rounded to 1/100), score (rounded to 5 digits), label.
    """
    rows = np.empty((len(detections), 7))
    rows[:, 0] = image_index
    rows[:, 1:5] = np.round(xyxy_to_xywh(detections.boxes_xyxy.astype(np.float64)), 2)
    rows[:, 5] = np.round(detections.scores.astype(np.float64), 5)
    rows[:, 6] = detections.labels
    return rows


def coco_results(rows: np.ndarray, ids: CocoIds) -> list[dict[str, Any]]:
    """Return rows of `coco_rows` as COCO results: image_id, category_id, bbox, score."""
    image_ids, category_ids = ids.image_ids, ids.category_ids
    return [
        {"image_id": image_ids[int(index)], "category_id": category_ids[int(label)], "bbox": bbox, "score": score}
        for index, *bbox, score, label in rows.tolist()
    ]


def detections_of(rows: np.ndarray) -> Detections:
    """Return the detections of an image from its rows of `coco_rows`, in descending order of score."""
    rows = rows[np.argsort(-rows[:, 5], kind="stable")]
    return Detections(xywh_to_xyxy(rows[:, 1:5]), rows[:, 5], rows[:, 6].astype(np.int64))


def read_results(
    path: str | Path,
    ids: CocoIds,
    select: Callable[[np.ndarray], np.ndarray] = lambda rows: rows,
    advice: str = "run the evaluation again",
) -> np.ndarray:
    """Read a COCO results file as rows of `coco_rows`, float64 [M, 7].

    A file with one detection per line, as written by `write_results` and native310, is read in chunks: parsed at once,
    a million detections would take 0.6 GB.

    Args:
        path: JSON list of image_id, category_id, bbox (xywh, pixels), score.
        ids: ids of the data set's images and categories.
        select: function that filters the rows of a chunk, to save memory.
        advice: what to do if the file does not fit.

    Raises:
        InputError: the file is missing, unreadable, not JSON, an entry is incomplete, or an id is unknown.
    """
    try:
        try:
            return np.concatenate([select(rows) for rows in _chunks(Path(path), ids)])
        except (OSError, ValueError):
            return select(_rows_of(read_json(path, "detections file"), ids))
    except _UnknownIdError as error:
        raise InputError(f"detections file {path} has {error}, which this data set does not: {advice}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"detections file {path} is not a list of COCO results ({type(error).__name__}: {error}): {advice}"
        ) from None


class _UnknownIdError(Exception):
    """An id that the data set does not have; the text is its name and value."""


def _rows_of(results: list[dict[str, Any]], ids: CocoIds) -> np.ndarray:
    """Return COCO results as rows, float64 [M, 7]; the inverse of `coco_results`."""
    index_of, label_of = ids.image_index, ids.label
    try:
        rows = [
            [index_of[entry["image_id"]], *entry["bbox"], entry["score"], label_of[entry["category_id"]]]
            for entry in results
        ]
    except KeyError:
        for entry in results:
            for key, known in (("image_id", index_of), ("category_id", label_of)):
                if entry[key] not in known:
                    raise _UnknownIdError(f"{key} {entry[key]}") from None
        raise
    array = np.array(rows, np.float64) if rows else np.zeros((0, 7))
    if array.shape != (len(rows), 7) or not np.isfinite(array).all():
        raise ValueError("a bbox is not four finite numbers, or a score is not finite")
    return array


def _chunks(path: Path, ids: CocoIds) -> Iterator[np.ndarray]:
    """Yield rows of a file that has one detection per line."""
    with path.open(encoding="utf-8") as stream:
        if stream.readline() != "[\n":
            raise ValueError("the first detection does not start on the second line")
        lines: list[str] = []
        while following := list(itertools.islice(stream, ROWS_AT_A_TIME)):
            if lines:
                yield _rows_of(json.loads(f"[{''.join(lines).rstrip().removesuffix(',')}]"), ids)
            lines = following
    # The last chunk ends with the closing bracket of the file.
    yield _rows_of(json.loads(f"[{''.join(lines)}"), ids)


def write_results(path: str | Path, rows: np.ndarray, ids: CocoIds) -> None:
    """Write rows of `coco_rows` as a COCO results file with one detection per line; never leave a partial file."""
    with complete_file(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        separator = "[\n"
        for first in range(0, len(rows), ROWS_AT_A_TIME):
            for result in coco_results(rows[first : first + ROWS_AT_A_TIME], ids):
                stream.write(separator + json.dumps(result))
                separator = ",\n"
        stream.write("\n]\n" if len(rows) else "[]\n")
