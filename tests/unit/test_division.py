"""Division of a data set: shares of images and of each class, for any seed."""

import numpy as np
import pytest

from yolov3.data.custom.division import validation_images, with_images
from yolov3.errors import InputError


def dataset_of(labels):
    """A COCO data set of images with these lists of category ids; ids are those of hashes."""
    ids = [2**63 + 7 * number for number in range(len(labels))]
    rows = [(image_id, label) for image_id, some in zip(ids, labels, strict=True) for label in some]
    return {
        "images": [{"id": image_id} for image_id in ids],
        "annotations": [{"image_id": image_id, "category_id": label} for image_id, label in rows],
    }


@pytest.mark.parametrize("seed", range(20))
def test_each_class_has_its_share(seed):
    rng = np.random.default_rng(seed)
    # Frequent, rare, and in few images with many boxes; a tenth of the images is empty.
    labels = [
        [1] * int(rng.poisson(3)) + [2] * int(rng.random() < 0.05) + [3] * (int(rng.random() < 0.1) * 5)
        if rng.random() < 0.9
        else []
        for _ in range(400)
    ]
    dataset = dataset_of(labels)
    chosen = validation_images(dataset, 0.2, seed)
    assert abs(len(chosen) - 80) <= 3
    val, train = (with_images(dataset, chosen, keep) for keep in (True, False))
    assert len(val["images"]) + len(train["images"]) == 400
    for label, tolerance in ((1, 0.04), (2, 0.04), (3, 0.04)):
        counts = [sum(row["category_id"] == label for row in part["annotations"]) for part in (val, train)]
        assert counts[0] / sum(counts) == pytest.approx(0.2, abs=tolerance)
    empty = sum(not some for some in labels)
    empty_val = len(val["images"]) - len({row["image_id"] for row in val["annotations"]})
    assert empty_val / empty == pytest.approx(0.2, abs=0.05)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9])
def test_neither_split_is_empty(share):
    for count in (2, 3, 5):
        chosen = validation_images(dataset_of([[1]] * count), share, 1)
        assert 1 <= len(chosen) <= count - 1


def test_one_image_cannot_be_divided():
    with pytest.raises(InputError, match="one image cannot be divided"):
        validation_images(dataset_of([[1]]), 0.5, 1)


@pytest.mark.parametrize("seed", range(10))
def test_a_group_stays_in_one_split(seed):
    rng = np.random.default_rng(seed)
    dataset = dataset_of([[1 + int(label)] for label in rng.integers(0, 3, 300)])
    groups = rng.integers(0, 120, 300).tolist()
    chosen = validation_images(dataset, 0.2, seed, groups)
    in_val = [image["id"] in chosen for image in dataset["images"]]
    assert len({(group, side) for group, side in zip(groups, in_val, strict=True)}) == len(set(groups))
    assert sum(in_val) / 300 == pytest.approx(0.2, abs=0.02)
    for label in (1, 2, 3):
        of_label = [
            side for side, row in zip(in_val, dataset["annotations"], strict=True) if row["category_id"] == label
        ]
        assert sum(of_label) / len(of_label) == pytest.approx(0.2, abs=0.06)


def test_large_groups():
    dataset = dataset_of([[1]] * 10)
    # Of two groups one is chosen, however large the wanted share.
    for share in (0.1, 0.5, 0.9):
        assert len(validation_images(dataset, share, 1, [0] * 5 + [1] * 5)) == 5
    assert len(validation_images(dataset, 0.1, 1, [0] * 8 + [1] * 2)) == 2
    with pytest.raises(InputError, match="all images look alike, so they cannot be divided"):
        validation_images(dataset, 0.5, 1, [7] * 10)
