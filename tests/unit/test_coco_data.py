import json
import math
from pathlib import Path

import numpy as np
import pytest
from annotated_images import annotation, small_dataset, write_dataset
from pycocotools.coco import COCO

from yolov3.data.annotations import annotation_rows, categories_of, ground_truth, load_split, read_annotations, split_of
from yolov3.data.checks import CheckSettings, check_dataset
from yolov3.errors import InputError


def manifest_of(folder, dataset, skip=False, image_names=None):
    places = write_dataset(folder, dataset, image_names)
    return check_dataset("custom", {"train": places, "val": places}, CheckSettings("decode", skip))


def test_images_come_by_id_and_labels_by_category_id_despite_gaps(tmp_path):
    split = load_split(manifest_of(tmp_path, small_dataset()), "train")
    assert len(split) == 2
    assert split.image_ids.tolist() == [10, 20]
    assert split.file_names == ("a.jpg", "b.jpg")
    assert split.path(1) == tmp_path / "images" / "b.jpg"
    assert split.sizes_wh.tolist() == [[60, 50], [40, 30]]
    boxes_xyxy, labels = split.boxes_of(0)
    assert boxes_xyxy.tolist() == [[5, 5, 25, 15]] and labels.tolist() == [0]
    boxes_xyxy, labels = split.boxes_of(1)
    assert boxes_xyxy.tolist() == [[1, 2, 11, 10]] and labels.tolist() == [1]
    assert boxes_xyxy.dtype == np.float32 and labels.dtype == np.int32
    assert split.first_box.tolist() == [0, 2, 3] and split.first_box.dtype == np.int64
    assert split.is_crowd.sum() == 1


def test_images_with_only_crowds_or_nothing_have_no_boxes(tmp_path):
    dataset = small_dataset()
    dataset["images"].append({"id": 15, "file_name": "c.jpg", "width": 9, "height": 9})
    dataset["annotations"].append(annotation(4, 15, 3, [0, 0, 5, 5], iscrowd=1))
    dataset["images"].append({"id": 99, "file_name": "d.jpg", "width": 9, "height": 9})
    split = load_split(manifest_of(tmp_path, dataset), "train")
    assert split.image_ids[split.with_boxes()].tolist() == [10, 20]
    boxes_xyxy, labels = split.boxes_of(3)
    assert boxes_xyxy.shape == (0, 4) and labels.shape == (0,)


# Box (xywh) in an image of 60 x 50, and the corners that are left; None where it cannot be used.
BOXES = [
    ([50, 40, 30, 30], [50, 40, 60, 50]),
    ([-5, -6, 10, 10], [0, 0, 5, 4]),
    ([5, 5, 0, 10], None),
    ([5, 5, 10, -1], None),
    ([60, 10, 5, 5], None),
    ([-20, 0, 10, 10], None),
    ([math.nan, 0, 10, 10], None),
    ([0, 0, math.inf, 10], None),
    ([0, 0, 10], None),
    (None, None),
    (["left", 0, 1, 1], None),
]


@pytest.mark.parametrize(("bbox", "corners"), BOXES)
def test_odd_boxes_are_clipped_or_dropped(tmp_path, bbox, corners):
    dataset = small_dataset()
    dataset["annotations"] = [annotation(1, 10, 3, [1, 1, 2, 2]), annotation(2, 10, 7, bbox)]
    manifest = manifest_of(tmp_path, dataset)
    boxes_xyxy, labels = load_split(manifest, "train").boxes_of(0)
    expected = [[1, 1, 3, 3]] + ([corners] if corners else [])
    assert boxes_xyxy.tolist() == expected
    assert len(labels) == len(expected)
    assert len(ground_truth(manifest, "train")["annotations"]) == len(expected)


def test_a_box_too_thin_for_float32_is_dropped():
    dataset = {"images": [{"id": 1, "file_name": "a.jpg", "width": 10_000, "height": 10}]}
    dataset["categories"] = [{"id": 1, "name": "one"}]
    dataset["annotations"] = [annotation(1, 1, 1, [9000, 1, 1e-5, 5])]
    rows = annotation_rows(dataset, categories_of(dataset))
    assert rows.empty.tolist() == [True]
    assert len(split_of(dataset, rows, Path("x")).boxes_xyxy) == 0


def test_ground_truth_serves_pycocotools(tmp_path):
    dataset = small_dataset()
    del dataset["annotations"][0]["area"], dataset["annotations"][0]["iscrowd"]
    dataset["annotations"][0]["id"] = 0
    dataset["annotations"][1]["bbox"] = [50, 40, 30, 30]
    dataset["annotations"].append(annotation(9, 10, 1234, [1, 1, 2, 2]))
    dataset["annotations"].append(annotation(10, 4321, 3, [1, 1, 2, 2]))
    truth = ground_truth(manifest_of(tmp_path, dataset), "val")
    coco = COCO()
    coco.dataset = truth
    coco.createIndex()
    assert sorted(coco.getImgIds()) == [10, 20] and sorted(coco.getCatIds()) == [3, 7]
    assert min(coco.getAnnIds()) > 0
    (first,) = coco.loadAnns(coco.getAnnIds(imgIds=[20]))
    assert (first["area"], first["iscrowd"], first["bbox"]) == (80, 0, [1, 2, 10, 8])
    # As annotated, though it reaches outside.
    assert [row["bbox"] for row in coco.loadAnns(coco.getAnnIds(imgIds=[10], catIds=[3]))] == [[50, 40, 30, 30]]
    assert [row["iscrowd"] for row in coco.loadAnns(coco.getAnnIds(imgIds=[10], catIds=[7]))] == [1]


def test_excluded_images_are_nowhere(tmp_path):
    manifest = manifest_of(tmp_path, small_dataset(), skip=True, image_names=["a.jpg"])
    assert load_split(manifest, "train").file_names == ("a.jpg",)
    truth = ground_truth(manifest, "train")
    assert {image["id"] for image in truth["images"]} == {10}
    assert {row["image_id"] for row in truth["annotations"]} == {10}


def test_one_image_of_one_class(tmp_path):
    dataset = {
        "images": [{"id": 0, "file_name": "only one.jpg", "width": 20, "height": 10}],
        "categories": [{"id": 0, "name": "thing"}],
        "annotations": [annotation(0, 0, 0, [1, 1, 5, 5])],
    }
    manifest = manifest_of(tmp_path / "größe 画像", dataset)
    split = load_split(manifest, "val")
    assert split.boxes_of(0)[0].tolist() == [[1, 1, 6, 6]]
    assert split.boxes_of(0)[1].tolist() == [0]
    assert split.with_boxes().tolist() == [0]
    assert manifest.splits["train"].max_boxes == 1


def test_coco_made_by_others_is_read_as_pycocotools_reads_it(tmp_path):
    """A few hundred random boxes, counted by pycocotools' own index."""
    rng = np.random.default_rng(3)
    images = [{"id": int(i), "file_name": f"{i}.jpg", "width": 64, "height": 48} for i in rng.permutation(30)]
    categories = [{"id": int(i), "name": f"c{i}"} for i in (90, 2, 45)]
    rows = []
    for index in range(300):
        bbox = [*rng.uniform(0, 30, 2).round(2).tolist(), *rng.uniform(1, 15, 2).round(2).tolist()]
        row = annotation(index + 1, int(rng.integers(30)), int(rng.choice([90, 2, 45])), bbox)
        rows.append({**row, "iscrowd": int(rng.random() < 0.1)})
    dataset = {"images": images, "annotations": rows, "categories": categories}
    split = load_split(manifest_of(tmp_path, dataset), "train")
    coco = COCO(str(tmp_path / "annotations.json"))
    for index, image_id in enumerate(split.image_ids):
        expected = coco.loadAnns(coco.getAnnIds(imgIds=[int(image_id)], iscrowd=False))
        boxes_xyxy, labels = split.boxes_of(index)
        found = sorted(zip([[2, 45, 90][label] for label in labels], boxes_xyxy.round(2).tolist(), strict=True))
        wanted = sorted((row["category_id"], [x, y, x + w, y + h]) for row in expected for x, y, w, h in [row["bbox"]])
        assert [category for category, _ in found] == [category for category, _ in wanted]
        np.testing.assert_allclose([box for _, box in found], [box for _, box in wanted], atol=0.01)


SPOILT = {
    "cut in half": (lambda text: text[: len(text) // 2], "not valid JSON.*cut off"),
    "a list": (lambda text: "[]", "no list images"),
    "not UTF-8": (lambda text: b"\xff\xfe\x00", "not UTF-8"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_spoilt_files_are_refused(tmp_path, how):
    spoil, sentence = SPOILT[how]
    spoilt = spoil(json.dumps(small_dataset()))
    path = tmp_path / "annotations.json"
    path.write_bytes(spoilt if isinstance(spoilt, bytes) else spoilt.encode())
    with pytest.raises(InputError, match=sentence):
        read_annotations(path)


def replace(section, index, /, **fields):
    def spoil(dataset):
        dataset[section][index].update(fields)

    return spoil


WRONG = [
    (lambda dataset: dataset.pop("images"), "no list images"),
    (lambda dataset: dataset.pop("annotations"), "no list annotations"),
    (lambda dataset: dataset.update(categories={}), "no list categories"),
    (lambda dataset: dataset.update(categories=[]), "has no categories"),
    (lambda dataset: dataset.update(images=[]), "has no images"),
    (lambda dataset: dataset["annotations"].append(5), "entry in annotations that is no object"),
    (replace("images", 1, id=20), "image id 20 twice"),
    (replace("annotations", 1, id=1), "annotation id 1 twice"),
    (replace("categories", 1, id=7), "category id 7 twice"),
    (replace("images", 0, width=0), "width 0 and height 30"),
    (replace("images", 0, height="30"), "height '30'"),
    (replace("images", 0, id="x"), "id 'x'"),
    (replace("images", 0, file_name=None), "image 20 without file_name"),
    (replace("annotations", 0, image_id="x"), "image_id 'x'"),
    (replace("annotations", 0, id=[1]), r"annotation \[1\]"),
    (replace("categories", 0, name=None), "whole id and a name"),
]


@pytest.mark.parametrize(("spoil", "sentence"), WRONG, ids=[sentence for _, sentence in WRONG])
def test_wrong_fields_are_named(tmp_path, spoil, sentence):
    dataset = small_dataset()
    spoil(dataset)
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(dataset))
    with pytest.raises(InputError, match=sentence):
        read_annotations(path)
