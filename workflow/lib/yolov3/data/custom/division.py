"""Division of a data set into training and validation images."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from yolov3.errors import InputError

# Stands for a class: an image without boxes.
NO_BOXES = "no boxes"


def validation_images(
    dataset: dict[str, Any], val_share: float, seed: int, groups: Sequence[int] | None = None
) -> set[int]:
    """Return the ids of images, chosen at random, that are about the same share of the images of each class.

    Images are chosen from the rarest class on (Sechidis et al., "On the stratification of multi-label data", 2011);
    those without boxes are divided like a class.

    Args:
        dataset: COCO data set.
        val_share: wanted share, 0..1.
        seed: seed of the choice.
        groups: number of the group of each image; a group stays together. None for no groups.

    Raises:
        InputError: there are fewer than two images, or all are of one group.
    """
    ids = [image["id"] for image in dataset["images"]]
    if len(ids) < 2:
        raise InputError("a data set of one image cannot be divided: give validation images of their own")
    order = np.random.default_rng(seed).permutation(len(ids)).tolist()
    members: dict[int, list[int]] = {}
    for index in order:
        members.setdefault(index if groups is None else int(groups[index]), []).append(ids[index])
    if len(members) < 2:
        raise InputError("all images look alike, so they cannot be divided: give validation images of their own")
    labels_of: dict[int, set[Any]] = {image_id: set() for image_id in ids}
    for row in dataset["annotations"]:
        labels_of.get(row["image_id"], set()).add(row["category_id"])
    images_of = {
        group: Counter(label for image_id in own for label in labels_of[image_id] or {NO_BOXES})
        for group, own in members.items()
    }
    total: Counter[Any] = sum(images_of.values(), Counter())
    wanted = {label: count * val_share for label, count in total.items()}
    wanted_images = max(1.0, len(ids) * val_share)
    chosen: set[int] = set()
    left = dict.fromkeys(members)
    for label, _ in sorted(total.items(), key=lambda item: (item[1], str(item[0]))):
        for group in [group for group in left if images_of[group][label]]:
            del left[group]
            size = len(members[group])
            # Half of a group may exceed what is wanted, but it is never the last that is left.
            has_room = len(chosen) + size / 2 <= wanted_images and len(chosen) + size < len(ids)
            if has_room and wanted[label] >= images_of[group][label] / 2:
                chosen.update(members[group])
                for other, count in images_of[group].items():
                    wanted[other] -= count
    smallest = min(members.values(), key=len)
    return chosen or set(smallest)


def with_images(dataset: dict[str, Any], ids: set[int], keep: bool) -> dict[str, Any]:
    """Return a COCO data set with the images of some ids and their annotations only, or with all others."""
    return {
        **dataset,
        "images": [image for image in dataset["images"] if (image["id"] in ids) == keep],
        "annotations": [row for row in dataset["annotations"] if (row["image_id"] in ids) == keep],
    }
