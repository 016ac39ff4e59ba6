import json
import math
from pathlib import Path

import numpy as np
import pytest
from annotated_images import annotation, small_dataset, write_dataset
from pycocotools.coco import COCO

from yolov3.data.annotations import (
    annotation_rows,
    box_and_area,
    categories_of,
    ground_truth,
    has_valid_area,
    load_split,
    read_annotations,
    split_of,
)
from yolov3.data.checks import CheckSettings, check_dataset
from yolov3.data.manifest import Category
from yolov3.errors import InputError


def manifest_of(folder, dataset, skip=False, image_names=None):
    places = write_dataset(folder, dataset, image_names)
    return check_dataset("custom", {"train": places, "val": places}, CheckSettings("decode", skip))


def test_images_come_by_id_and_labels_by_category_id_despite_gaps(tmp_path):
    split = load_split(manifest_of(tmp_path, small_dataset()), "train")
    assert len(split) == 2
    assert split.image_ids == (10, 20)
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
    assert [split.image_ids[index] for index in split.with_boxes()] == [10, 20]
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


@pytest.mark.parametrize("side", range(4))
@pytest.mark.parametrize(("beyond", "is_outside"), [(0.3, False), (0.5, False), (0.51, True), (1.4, True)])
def test_a_box_beyond_half_a_pixel_is_outside(side, beyond, is_outside):
    dataset = {"images": [{"id": 1, "file_name": "a.jpg", "width": 60, "height": 50}]}
    dataset["categories"] = [{"id": 1, "name": "one"}]
    corners = np.array([20.0, 10, 30, 40])
    corners[side] = (0 - beyond, 0 - beyond, 60 + beyond, 50 + beyond)[side]
    dataset["annotations"] = [annotation(1, 1, 1, [*corners[:2], *(corners[2:] - corners[:2])])]
    rows = annotation_rows(dataset, categories_of(dataset))
    assert rows.outside.tolist() == [is_outside]
    assert rows.usable.tolist() == [True]
    assert rows.boxes_xyxy[0, side] == (0, 0, 60, 50)[side]


def test_what_is_said_of_each_annotation():
    dataset = small_dataset()
    dataset["images"].sort(key=lambda image: image["id"])
    dataset["categories"].sort(key=lambda category: category["id"])
    dataset["annotations"] = [
        annotation(1, 20, 7, [1, 2, 10, 8]),
        annotation(2, 10, 3, [5, 5, 20, 10], iscrowd=1),
        annotation(3, 15, 3, [1000, 5, 2000, 10]),
        annotation(4, 10, 5, [5, 5, 20, 10]),
        annotation(5, 10, 3, [5, math.nan, 20, 10]),
        annotation(6, 10, 3, [5, 5, 0, 10]),
        annotation(7, 99, 99, None),
        annotation(8, 20, 3, [39, 29, 10, 10]),
    ]
    del dataset["annotations"][0]["iscrowd"], dataset["annotations"][6]["bbox"]
    rows = annotation_rows(dataset, categories_of(dataset))
    assert rows.image_index.tolist() == [1, 0, -1, 0, 0, 0, -1, 1]
    assert rows.labels.tolist() == [1, 0, 0, -1, 0, 0, -1, 0]
    assert np.flatnonzero(rows.is_crowd).tolist() == [1]
    assert np.flatnonzero(rows.not_finite).tolist() == [4, 6]
    assert np.flatnonzero(rows.empty).tolist() == [5]
    assert np.flatnonzero(rows.outside).tolist() == [7]
    assert np.flatnonzero(rows.usable).tolist() == [0, 1, 7]
    assert rows.boxes_xyxy[[0, 2, 7]].tolist() == [[1, 2, 11, 10], [1000, 5, 3000, 15], [39, 29, 40, 30]]
    types = {name: values.dtype for name, values in vars(rows).items()}
    assert types == {
        "image_index": np.int64,
        "labels": np.int32,
        "boxes_xyxy": np.float64,
        **dict.fromkeys(("is_crowd", "not_finite", "empty", "outside", "usable"), np.dtype(bool)),
    }


def test_arrays_of_a_split_have_the_documented_types(tmp_path):
    split = load_split(manifest_of(tmp_path, small_dataset()), "train")
    types = {name: getattr(split, name).dtype for name in ("sizes_wh", "first_box", "boxes_xyxy", "labels")}
    assert types == {
        "sizes_wh": np.int32,
        "first_box": np.int64,
        "boxes_xyxy": np.float32,
        "labels": np.int32,
    }
    assert split.is_crowd.dtype == bool


def test_boxes_keep_the_order_of_the_file_within_an_image(tmp_path):
    dataset = small_dataset()
    # Enough rows that an unstable sort would exchange some.
    dataset["annotations"] = [
        annotation(index + 1, (20, 10)[index % 2], (3, 7)[index % 3 == 0], [index % 30, 0, 1, 1 + index % 7])
        for index in range(200)
    ]
    split = load_split(manifest_of(tmp_path, dataset), "train")
    assert split.boxes_of(0)[0][:, 0].tolist() == [index % 30 for index in range(1, 200, 2)]
    assert split.boxes_of(1)[0][:, 0].tolist() == [index % 30 for index in range(0, 200, 2)]
    assert split.box_counts().tolist() == [100, 100]


def test_nothing_annotated_and_no_images_left():
    dataset = {"images": [], "annotations": [annotation(1, 1, 1, [0, 0, 1, 1])], "categories": [{"id": 1, "name": "a"}]}
    rows = annotation_rows(dataset, categories_of(dataset))
    assert rows.image_index.tolist() == [-1] and not rows.usable.any()
    split = split_of(dataset, rows, Path("x"))
    assert (len(split), split.sizes_wh.shape, split.boxes_xyxy.shape) == (0, (0, 2), (0, 4))
    dataset = {**small_dataset(), "annotations": []}
    rows = annotation_rows(dataset, categories_of(dataset))
    assert rows.boxes_xyxy.shape == (0, 4)
    assert split_of(dataset, rows, Path("x")).box_counts().tolist() == [0, 0]


def test_a_file_without_annotations_is_read(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({**small_dataset(), "annotations": []}))
    assert read_annotations(tmp_path / "a.json")["annotations"] == []


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
    assert [row["id"] for row in truth["annotations"]] == [1, 2, 3]
    assert truth["images"] == [
        {"id": 10, "file_name": "a.jpg", "width": 60, "height": 50},
        {"id": 20, "file_name": "b.jpg", "width": 40, "height": 30},
    ]
    assert truth["categories"] == [{"id": 3, "name": "early"}, {"id": 7, "name": "late"}]
    assert coco.info() is None
    # As annotated, though it reaches outside.
    assert [row["bbox"] for row in coco.loadAnns(coco.getAnnIds(imgIds=[10], catIds=[3]))] == [[50, 40, 30, 30]]
    assert [row["iscrowd"] for row in coco.loadAnns(coco.getAnnIds(imgIds=[10], catIds=[7]))] == [1]


def test_the_area_is_the_annotated_one_where_it_is_a_number(tmp_path):
    dataset = small_dataset()
    # Segmented objects cover less than their box.
    dataset["annotations"][0]["area"], dataset["annotations"][1]["area"] = 33.5, "large"
    truth = ground_truth(manifest_of(tmp_path, dataset), "val")
    assert [row["area"] for row in truth["annotations"]] == [33.5, 200, 3000]
    assert [row["iscrowd"] for row in truth["annotations"]] == [0, 0, 1]


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
    "cut in half": (lambda text: text[: len(text) // 2], "not valid JSON.*truncated"),
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
    (lambda dataset: dataset["annotations"].append(5), "entry in annotations that is not an object"),
    (lambda dataset: dataset["images"].append([]), "entry in images that is not an object"),
    (lambda dataset: dataset["categories"].insert(0, "a"), "entry in categories that is not an object"),
    (replace("images", 1, id=20), "image id 20 twice"),
    (replace("annotations", 1, id=1), "annotation id 1 twice"),
    (replace("annotations", 2, id=2), "annotation id 2 twice"),
    (replace("categories", 1, id=7), "category id 7 twice"),
    (replace("images", 0, width=0), "image 'b.jpg' with id 20, width 0 and height 30"),
    (replace("images", 1, height=-1), "width 60 and height -1"),
    (replace("images", 0, height=True), "height True"),
    (replace("images", 0, width=40.5), "width 40.5"),
    (replace("images", 0, width=2**21), "sizes of 1 to 1048576"),
    (replace("images", 0, id=2**64), "whole numbers of 64 bits"),
    (replace("images", 0, file_name=""), "image 20 without file_name"),
    (replace("images", 0, file_name=["b.jpg"]), r"image 20 with file_name \['b.jpg'\]: give the name of a file"),
    (replace("images", 0, file_name=7), "image 20 with file_name 7: give the name of a file, in quotes"),
    (replace("images", 0, file_name="a\0.jpg"), r"file_name 'a\\x00.jpg'"),
    (replace("images", 0, file_name="./a.jpg"), "file 'a.jpg' as images 20 and 10: give it one id"),
    (replace("images", 1, id=None), "id None"),
    (replace("annotations", 1, category_id=None), "category_id None"),
    (replace("annotations", 1, category_id=3.5), "annotation 2 with image_id 10 and category_id 3.5"),
    (replace("annotations", 1, iscrowd="yes"), "annotation 2 with iscrowd 'yes': give 0 or 1"),
    (replace("annotations", 1, iscrowd=[]), r"iscrowd \[\]"),
    (replace("annotations", 1, iscrowd=2), "iscrowd 2"),
    (replace("categories", 1, id="3"), "category {'id': '3', 'name': 'early'}"),
    (replace("images", 0, height="30"), "height '30'"),
    (replace("images", 0, id="x"), "id 'x'"),
    (replace("images", 0, file_name=None), "image 20 without file_name"),
    (replace("annotations", 0, image_id="x"), "image_id 'x'"),
    (replace("annotations", 0, id=[1]), r"annotation \[1\]"),
    (replace("categories", 0, name=None), "integer id and a name"),
    (replace("categories", 0, name="half \ud83d"), "integer id and a name"),
]


@pytest.mark.parametrize(("spoil", "sentence"), WRONG, ids=[sentence for _, sentence in WRONG])
def test_wrong_fields_are_named(tmp_path, spoil, sentence):
    dataset = small_dataset()
    spoil(dataset)
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(dataset))
    with pytest.raises(InputError, match=sentence):
        read_annotations(path)


def test_the_smallest_image_and_annotations_without_id_are_read(tmp_path):
    dataset = small_dataset()
    dataset["images"].append({"id": 1, "file_name": "c.jpg", "width": 1, "height": 1})
    for row in dataset["annotations"][:2]:
        del row["id"]
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(dataset))
    read = read_annotations(path)
    assert [image["id"] for image in read["images"]] == [1, 10, 20]
    assert [category["id"] for category in read["categories"]] == [3, 7]
    assert read["annotations"] == dataset["annotations"]


def test_a_missing_annotation_file_is_called_so(tmp_path):
    with pytest.raises(InputError, match=r"annotation file .*none\.json does not exist"):
        read_annotations(tmp_path / "none.json")


def read_of(tmp_path, dataset):
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(dataset))
    return read_annotations(path)


def test_whole_floats_are_integers(tmp_path):
    dataset = small_dataset()
    dataset["images"][0] |= {"id": 20.0, "width": 40.0, "height": 30.0}
    dataset["annotations"][0] |= {"id": 1.0, "image_id": 20.0, "category_id": 7.0}
    dataset["categories"][0]["id"] = 7.0
    read = read_of(tmp_path, dataset)
    expected = small_dataset()
    assert read["images"] == sorted(expected["images"], key=lambda image: image["id"])
    assert read["annotations"] == expected["annotations"]
    entries = [*read["images"], *read["annotations"], *read["categories"]]
    keys = ("id", "image_id", "category_id", "width", "height")
    assert {type(entry[key]) for entry in entries for key in keys if key in entry} == {int}


def test_equal_names_are_numbered_by_id(tmp_path):
    dataset = small_dataset()
    dataset["categories"] = [
        {"id": number, "name": name} for number, name in ((9, "a"), (3, "a"), (7, "a"), (8, "a (2)"))
    ]
    read = read_of(tmp_path, dataset)
    assert [(entry["id"], entry["name"]) for entry in read["categories"]] == [
        (3, "a"),
        (7, "a (2)"),
        (8, "a (2) (2)"),
        (9, "a (3)"),
    ]
    assert [entry.get("name_in_file") for entry in read["categories"]] == [None, "a", "a (2)", "a"]


def test_labels_are_those_of_equal_names(tmp_path):
    dataset = small_dataset()
    dataset["categories"] = [{"id": 3, "name": "late"}, {"id": 7, "name": "early"}, {"id": 8, "name": "other"}]
    dataset["annotations"].append(annotation(4, 10, 8, [1, 1, 2, 2]))
    rows = annotation_rows(read_of(tmp_path, dataset), (Category(1, "early"), Category(2, "late")))
    assert rows.labels.tolist() == [0, 1, 0, -1]
    assert rows.usable.tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    ("value", "is_crowd"), [(0, False), (1, True), ("0", False), ("1", True), (True, True), (None, False)]
)
def test_crowds_in_the_words_of_others(tmp_path, value, is_crowd):
    dataset = small_dataset()
    dataset["annotations"][0]["iscrowd"] = value
    rows = annotation_rows(read_of(tmp_path, dataset), categories_of(small_dataset()))
    assert bool(rows.is_crowd[0]) == is_crowd


@pytest.mark.parametrize(
    ("area", "used"),
    [
        (33.5, 33.5),
        (2**40, 2**40),
        (2**40 + 1, 80),
        (0, 80),
        (-3, 80),
        (float("nan"), 80),
        (10**400, 80),
        ("9", 80),
        (None, 80),
    ],
)
def test_an_area_that_no_image_has_is_that_of_the_box(area, used):
    row = annotation(1, 20, 7, [1, 2, 10, 8], area=area)
    assert box_and_area(row) == ((1, 2, 10, 8), used)
    assert has_valid_area(row) == (used != 80)


@pytest.mark.parametrize(
    "bbox", [[10**400, 1, 2, 3], [1, 2, 3], [1, 2, 3, 4, 5], "1234", None, [None, 1, 2, 3], ["x", 1, 2, 3]]
)
def test_what_is_no_box_is_not_a_number(bbox):
    assert np.isnan(box_and_area(annotation(1, 20, 7, bbox))[0]).all()


@pytest.mark.parametrize("number", [-(2**63), 2**64 - 1])
def test_the_largest_ids(tmp_path, number):
    dataset = small_dataset()
    dataset["images"][0]["id"] = dataset["annotations"][0]["image_id"] = number
    assert number in [image["id"] for image in read_of(tmp_path, dataset)["images"]]
    dataset["images"][0]["id"] += 1 if number > 0 else -1
    with pytest.raises(InputError, match="whole numbers of 64 bits"):
        read_of(tmp_path, dataset)


@pytest.mark.parametrize("side", [1, 2**20])
def test_the_smallest_and_the_largest_side(tmp_path, side):
    dataset = small_dataset()
    dataset["images"][0] |= {"width": side, "height": side}
    assert read_of(tmp_path, dataset)["images"][1]["width"] == side
