"""The true boxes of a COCO data set as arrays."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from yolov3.data.annotations import ground_truth
from yolov3.data.manifest import Manifest
from yolov3.evaluation.coco_results import CocoIds


@dataclass(frozen=True)
class TrueBoxes:
    """True boxes of a COCO data set, in which images and classes have indices.

    Attributes:
        ids: ids of the images and classes.
        class_names: name of each class.
        image_index, labels: int64 [G].
        boxes_xywh: float64 [G, 4] in pixels of the image.
        areas: float64 [G] in square pixels, as annotated.
        is_crowd: bool [G], regions of many objects.
    """

    ids: CocoIds
    class_names: tuple[str, ...]
    image_index: np.ndarray
    labels: np.ndarray
    boxes_xywh: np.ndarray
    areas: np.ndarray
    is_crowd: np.ndarray

    @property
    def images(self) -> int:
        """Number of images."""
        return len(self.ids.image_ids)

    def only(self, indices: np.ndarray) -> "TrueBoxes":
        """Return the boxes of the images at these indices, ascending."""
        rows = np.flatnonzero(np.isin(self.image_index, indices))
        return TrueBoxes(
            CocoIds(tuple(self.ids.image_ids[index] for index in indices), self.ids.category_ids),
            self.class_names,
            np.searchsorted(indices, self.image_index[rows]),
            self.labels[rows],
            self.boxes_xywh[rows],
            self.areas[rows],
            self.is_crowd[rows],
        )

    @classmethod
    def of_split(cls, manifest: Manifest, split: str) -> "TrueBoxes":
        """Return the boxes of "train" or "val".

        Raises:
            InputError: the annotation file is missing or no longer valid.
        """
        return cls.of(ground_truth(manifest, split))

    @classmethod
    def of(cls, dataset: dict[str, Any]) -> "TrueBoxes":
        """Return the boxes of a COCO data set."""
        annotations = dataset["annotations"]
        ids = CocoIds(*(tuple(entry["id"] for entry in dataset[name]) for name in ("images", "categories")))
        return cls(
            ids,
            tuple(category["name"] for category in dataset["categories"]),
            np.array([ids.image_index[box["image_id"]] for box in annotations], np.int64),
            np.array([ids.label[box["category_id"]] for box in annotations], np.int64),
            np.array([box["bbox"] for box in annotations], np.float64).reshape(-1, 4),
            np.array([box["area"] for box in annotations], np.float64),
            np.array([box.get("iscrowd", 0) for box in annotations], np.int64).astype(bool),
        )
