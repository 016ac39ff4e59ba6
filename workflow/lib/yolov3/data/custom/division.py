"""Division of a data set into training and validation images."""

from collections import Counter
from typing import Any

import numpy as np

from yolov3.errors import InputError

# Stands for a class: an image without boxes.
NO_BOXES = "no boxes"


def validation_images(dataset: dict[str, Any], val_share: float, seed: int) -> set[int]:
    """Return the ids of images, chosen at random, that are about the same share of the images of each class.

    Images are chosen from the rarest class on (Sechidis et al., "On the stratification of multi-label data", 2011);
    those without boxes are divided like a class.

    Args:
        dataset: COCO data set.
        val_share: wanted share, 0..1.
        seed: seed of the choice.

    Raises:
        InputError: there are fewer than two images.
    """
    ids = [image["id"] for image in dataset["images"]]
    if len(ids) < 2:
        raise InputError("a data set of one image cannot be divided: give validation images of their own")
    labels_of: dict[int, set[Any]] = {image_id: set() for image_id in ids}
    for row in dataset["annotations"]:
        labels_of.get(row["image_id"], set()).add(row["category_id"])
    for labels in labels_of.values():
        labels |= set() if labels else {NO_BOXES}
    total = Counter(label for labels in labels_of.values() for label in labels)
    order = [ids[index] for index in np.random.default_rng(seed).permutation(len(ids))]
    wanted = {label: count * val_share for label, count in total.items()}
    wanted_images = min(max(1.0, len(ids) * val_share), len(ids) - 1.0)
    chosen: set[int] = set()
    left = dict.fromkeys(order)
    for label, _ in sorted(total.items(), key=lambda item: (item[1], str(item[0]))):
        for image_id in [image_id for image_id in left if label in labels_of[image_id]]:
            del left[image_id]
            if len(chosen) < wanted_images and wanted[label] >= 0.5:
                chosen.add(image_id)
                for other in labels_of[image_id]:
                    wanted[other] -= 1
    return chosen or {order[0]}


def with_images(dataset: dict[str, Any], ids: set[int], keep: bool) -> dict[str, Any]:
    """Return a COCO data set with the images of some ids and their annotations only, or with all others."""
    return {
        **dataset,
        "images": [image for image in dataset["images"] if (image["id"] in ids) == keep],
        "annotations": [row for row in dataset["annotations"] if (row["image_id"] in ids) == keep],
    }
