"""The true boxes of a COCO data set as arrays."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TrueBoxes:
    """True boxes of a COCO data set, in which images and classes have indices.

    Attributes:
        images: number of images.
        class_names: name of each class.
        image_index, labels: int64 [G].
        boxes_xywh: float64 [G, 4] in pixels of the image.
        areas: float64 [G] in square pixels, as annotated.
        is_crowd: bool [G], regions of many objects.
    """

    images: int
    class_names: tuple[str, ...]
    image_index: np.ndarray
    labels: np.ndarray
    boxes_xywh: np.ndarray
    areas: np.ndarray
    is_crowd: np.ndarray

    @classmethod
    def of(cls, ground_truth: dict[str, Any]) -> "TrueBoxes":
        """Return the boxes of a COCO data set."""
        annotations = ground_truth["annotations"]
        image_index, label_of = (
            {entry["id"]: index for index, entry in enumerate(ground_truth[name])} for name in ("images", "categories")
        )
        return cls(
            len(image_index),
            tuple(category["name"] for category in ground_truth["categories"]),
            np.array([image_index[box["image_id"]] for box in annotations], np.int64),
            np.array([label_of[box["category_id"]] for box in annotations], np.int64),
            np.array([box["bbox"] for box in annotations], np.float64).reshape(-1, 4),
            np.array([box["area"] for box in annotations], np.float64),
            np.array([box.get("iscrowd", 0) for box in annotations], np.int64).astype(bool),
        )
