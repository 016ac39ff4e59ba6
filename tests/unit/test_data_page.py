"""The page of a data set: its numbers by hand, its remarks, its pictures."""

import dataclasses
import json
import re

import cv2
import numpy as np
import pytest
from annotated_images import annotation, write_dataset

from yolov3.data.checks import CheckSettings, check_dataset
from yolov3.report.data_page import DataView, remarks_of, write_data_page
from yolov3.report.data_statistics import SimilarImages, fit_by_stride, similar_images, split_statistics

ANCHORS = tuple((float(side), float(side)) for side in (4, 6, 8, 12, 16, 20, 28, 36, 48))
VIEW = DataView(ANCHORS, 64, letterbox=True, max_box=50)
NOTHING_ALIKE = SimilarImages([], {"train": 0, "val": 0}, 0)


def dataset(rows, categories=("one", "two")):
    """Images of 128 x 64 pixels, which are halved in an input of 64."""
    numbers = sorted({row[0] for row in rows} | {1, 2})
    return {
        "images": [{"id": number, "file_name": f"{number}.png", "width": 128, "height": 64} for number in numbers],
        "categories": [{"id": number, "name": name} for number, name in enumerate(categories, start=1)],
        "annotations": [
            annotation(at, image, label, bbox, **more) for at, (image, label, bbox, more) in enumerate(rows, start=1)
        ],
    }


def row(image, label, *bbox, **more):
    return image, label, list(bbox), more


TRAIN = [row(1, 1, 10, 10, 20, 40), row(1, 2, 50, 20, 60, 30), row(2, 1, 100, 30, 8, 8)]
VAL = [row(1, 1, 10, 10, 20, 20), row(2, 2, 40, 20, 30, 30)]


def described(folder, train=TRAIN, val=VAL, **more):
    """(manifest, statistics of both splits)."""
    places = {}
    for split, rows in (("train", train), ("val", val)):
        places[split] = write_dataset(folder / split, dataset(rows, **more))
        # Different noise in each image, so that none look alike.
        for number, path in enumerate(sorted(places[split][0].glob("*.png"))):
            seed = number + 100 * (split == "val")
            coarse = np.random.default_rng(seed).uniform(0, 255, (8, 8, 3)).astype(np.float32)
            cv2.imwrite(str(path), cv2.resize(coarse, (128, 64), interpolation=cv2.INTER_CUBIC).clip(0, 255))
    manifest = check_dataset("custom", places, CheckSettings("header", False))
    return manifest, [split_statistics(manifest, name, (64, 64), letterbox=True) for name in ("train", "val")]


def test_counts_and_sizes_by_hand(tmp_path):
    _, (train, val) = described(tmp_path)
    assert train.boxes_of_class.tolist() == [2, 1] and train.images_of_class.tolist() == [2, 1]
    assert val.boxes_of_class.tolist() == [1, 1]
    assert train.sizes_wh.tolist() == [[10, 20], [30, 15], [4, 4]]
    np.testing.assert_allclose(train.centres_xy, [[20 / 128, 30 / 64], [80 / 128, 35 / 64], [104 / 128, 34 / 64]])
    squeezed = split_statistics(described(tmp_path / "again")[0], "train", (64, 64), letterbox=False)
    assert squeezed.sizes_wh.tolist() == [[10, 40], [30, 30], [4, 8]]


def test_crowds_are_not_boxes(tmp_path):
    _, (train, _) = described(tmp_path, [*TRAIN, row(2, 2, 0, 0, 90, 60, iscrowd=1)])
    assert train.boxes_of_class.tolist() == [2, 1] and train.crowds == 1 and len(train.sizes_wh) == 3


@pytest.mark.parametrize(
    ("further", "kind", "count"),
    [
        # 7.9 pixels halved.
        ([row(2, 1, 10, 10, 7.9, 7.9)], "smaller than 4 pixels in the network input", 1),
        ([row(1, 2, 10, 10, 20, 40)], "nearly equal to a box of another class", 2),
        ([row(1, 2, 10, 10, 20, 37)], "nearly equal to a box of another class", 0),
        ([row(1, 1, 10, 10, 20, 39.9)], "nearly equal to a box of another class", 0),
        ([row(1, 1, 10, 10, 20, 40)], "there twice", 1),
        ([row(2, 1, 10, 10, 20, 40)], "there twice", 0),
        ([row(2, 1, 120, 10, 20, 40)], "beyond the edge of the image, clipped", 1),
    ],
)
def test_boxes_to_look_at(tmp_path, further, kind, count):
    _, (train, val) = described(tmp_path, [*TRAIN, *further])
    assert len(train.suspicious[kind]) == count
    assert {name: len(found) for name, found in val.suspicious.items()} == dict.fromkeys(val.suspicious, 0)
    for box in train.suspicious[kind]:
        assert box.split == "train" and box.box_xyxy.shape == (4,)


def test_anchors_and_strides_by_hand():
    sizes = np.array([[4, 4], [5.8, 6.1], [16, 16], [48, 48], [48, 4]])
    fits = fit_by_stride(ANCHORS, sizes)
    assert [fit.stride for fit in fits] == [8, 16, 32]
    # The thin one overlaps 16 x 16 best, by 64 / (192 + 256 - 64).
    assert [fit.share for fit in fits] == pytest.approx([0.4, 0.4, 0.2])
    assert [fit.fitting for fit in fits] == [1, 0.5, 1]
    assert fits[2].anchors == ANCHORS[6:]
    assert [fit.share for fit in fit_by_stride(ANCHORS, np.zeros((0, 2)))] == [0, 0, 0]


def remarks(folder, *arguments, similar=NOTHING_ALIKE, view=VIEW, **more):
    manifest, splits = described(folder, *arguments, **more)
    names = [category.name for category in manifest.categories]
    return remarks_of(names, splits, fit_by_stride(ANCHORS, splits[0].sizes_wh), similar, view)


ENOUGH = [row(1 + at % 2, 1 + at % 3 % 2, 5 + at % 40, 5 + 30 * (at % 3 % 2), 16 + at % 7, 16) for at in range(200)]
THIN = [row(1 + at // 2 % 2, 1 + at % 2, 0, 40 * (at % 2), 120, 4.2 + at / 100) for at in range(200)]


@pytest.mark.parametrize(
    ("train", "val", "names", "said"),
    [
        (ENOUGH, VAL, "one two", []),
        (TRAIN, VAL, "one two", ["one, two have fewer than 50 training boxes"]),
        (
            ENOUGH,
            [VAL[0], row(2, 1, 40, 20, 30, 30)],
            "one two",
            ["only the training images have boxes of two, which are not evaluated"],
        ),
        (
            ENOUGH,
            [*VAL, row(1, 3, 1, 1, 9, 9)],
            "one two three",
            ["only the validation images have boxes of three, which cannot be learned"],
        ),
        ([*ENOUGH, ENOUGH[0]], VAL, "one two", ["1 training boxes are there twice, shown below"]),
        (
            THIN,
            VAL,
            "one two",
            ["only 0% of the training boxes fit an anchor by an IoU of 0.5: set network.anchor_scales to auto"],
        ),
        (
            [*ENOUGH, *(row(1, 1, at, 60, 4, 3) for at in range(30))],
            VAL,
            "one two",
            ["30 training boxes are smaller than 4 pixels in the network input: raise train.training_shape"],
        ),
    ],
)
def test_remarks(tmp_path, train, val, names, said):
    view = dataclasses.replace(VIEW, max_box=200)
    assert remarks(tmp_path, train, val, view=view, categories=names.split()) == said


def test_remarks_on_images(tmp_path):
    view = dataclasses.replace(VIEW, max_box=99)
    alike = SimilarImages([], {"train": 1, "val": 1}, 1)
    images = [row(number, 1, 5, 5, 20, 20) for number in (3, 4, 5)]
    found = remarks(tmp_path, ENOUGH, [*VAL[:1], *images[:1], row(2, 2, 40, 20, 30, 30)], similar=alike, view=view)
    assert found == [
        "1 of 3 validation images look like a training image, so the accuracy may be too good: keep such images in one "
        "split",
        "2 training images have more than 99 boxes: raise train.max_box to 100",
    ]


def test_images_of_both_splits_that_look_alike(tmp_path):
    splits = described(tmp_path)[1]
    source = splits[0].split.path(0)
    cv2.imwrite(str(splits[1].split.path(1)), cv2.imread(str(source)))
    similar = similar_images([statistics.split for statistics in splits], ["train", "val"], lambda: None)
    assert similar.groups == [[("train", 0), ("val", 1)]]
    assert similar.images == {"train": 1, "val": 1} and similar.leaked == 1


def test_the_page_and_its_numbers(tmp_path):
    manifest, splits = described(tmp_path, [*TRAIN, TRAIN[0]], categories=("<b>", "two"))
    cv2.imwrite(str(splits[1].split.path(1)), cv2.imread(str(splits[0].split.path(0))))
    similar = similar_images([statistics.split for statistics in splits], ["train", "val"], lambda: None)
    said = write_data_page(manifest, splits, similar, VIEW, tmp_path / "out")
    page = (tmp_path / "out" / "data.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;" in page and "<b>" not in page
    assert page.count("<svg") == 5
    # Examples of two classes, a pair that looks alike, a box that is there twice.
    assert page.count('src="data:image/jpeg;base64,') == 4 + 2 + 1
    assert "<h3>1 there twice</h3>" in page
    assert len(re.findall(r"<li>", page)) == len(said) >= 2
    assert "http" not in re.sub(r'xmlns[^"]*"[^"]*"', "", page).replace("http-equiv", "")
    numbers = json.loads((tmp_path / "out" / "data.json").read_text(encoding="utf-8"))
    assert numbers["remarks"] == said
    assert numbers["splits"]["train"]["classes"] == {"<b>": {"boxes": 3, "images": 2}, "two": {"boxes": 1, "images": 1}}
    assert numbers["splits"]["train"]["suspicious"]["there twice"] == 1
    before = page
    write_data_page(manifest, splits, similar, VIEW, tmp_path / "out")
    assert (tmp_path / "out" / "data.html").read_text(encoding="utf-8") == before


def test_a_data_set_of_nothing_to_remark_and_without_validation_boxes(tmp_path):
    manifest, splits = described(tmp_path, ENOUGH, [])
    said = write_data_page(manifest, splits, NOTHING_ALIKE, dataclasses.replace(VIEW, max_box=200), tmp_path / "out")
    assert said == [
        "only the training images have boxes of one, two, which are not evaluated",
        "2 of 2 validation images have no boxes",
    ]
