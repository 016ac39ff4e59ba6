import logging
import math

import cv2
import numpy as np
import pytest
from annotated_images import annotation, small_dataset, write_dataset
from PIL import Image

from yolov3.data.checks import CheckSettings, check_dataset, manifest_of_folder
from yolov3.data.manifest import Category
from yolov3.errors import InputError
from yolov3.evaluation.coco_metrics import coco_result
from yolov3.evaluation.true_boxes import TrueBoxes

STRICT = CheckSettings("decode", skip_bad_images=False)
SKIP = CheckSettings("decode", skip_bad_images=True)


def check(places, settings=STRICT, val=None):
    return check_dataset("custom", {"train": places, "val": val or places}, settings)


def test_counts(tmp_path):
    dataset = small_dataset()
    dataset["images"].append({"id": 30, "file_name": "c.jpg", "width": 8, "height": 8})
    dataset["annotations"].append(annotation(4, 20, 3, [0, 0, 3, 3]))
    files = check(write_dataset(tmp_path, dataset)).splits["train"]
    assert (files.images, files.boxes, files.crowds, files.images_without_boxes, files.max_boxes) == (3, 3, 1, 1, 2)
    assert files.excluded_images == ()
    assert (files.image_dir, files.annotation_file) == (tmp_path / "images", tmp_path / "annotations.json")
    manifest = check(write_dataset(tmp_path, dataset))
    assert manifest.provider == "custom"
    assert manifest.categories == (Category(3, "early"), Category(7, "late"))
    assert list(manifest.splits) == ["train", "val"]


def test_oddities_are_counted_in_the_log(tmp_path, caplog):
    dataset = small_dataset()
    dataset["annotations"] += [
        annotation(11, 10, 3, [50, 40, 30, 30]),
        annotation(12, 10, 3, [55, 40, 30, 30]),
        annotation(13, 10, 3, [5, 5, 0, 4]),
        annotation(14, 10, 3, [math.nan, 5, 1, 4]),
        annotation(15, 10, 99, [1, 1, 5, 5]),
        annotation(16, 10, 98, [1, 1, 5, 5]),
        annotation(17, 10, 97, [1, 1, 5, 5]),
        annotation(18, 55, 3, [1, 1, 5, 5]),
    ]
    dataset["annotations"].append(annotation(19, 10, 7, [-9, 0, 30, 20], iscrowd=1))
    with caplog.at_level(logging.INFO):
        check(write_dataset(tmp_path, dataset))
    log = caplog.text
    assert "train: 2 images, 4 boxes (at most 3 per image), 2 crowds, 0 images without boxes" in log
    assert "train: 3 boxes extend beyond their image: clipped (annotation ids 11, 12, 19 ...)" in log
    assert "train: 1 boxes have no width or height in their image: dropped (annotation ids 13 ...)" in log
    assert "train: 1 boxes are missing, NaN or infinite: dropped (annotation ids 14 ...)" in log
    assert "train: 3 annotations are of unknown categories: dropped (annotation ids 15, 16, 17 ...)" in log
    assert "train: 1 annotations are of images that are unknown or left out: dropped (annotation ids 18 ...)" in log


def test_only_the_first_three_ids_are_shown_and_only_oddities_are_warnings(tmp_path, caplog):
    dataset = small_dataset()
    dataset["annotations"] += [annotation(number, 55, 99, [1, 1, 5, 5]) for number in range(21, 26)]
    # Of images that are left out, the other oddities are not counted.
    dataset["annotations"].append(annotation(31, 55, 3, [5, 5, 0, 4]))
    dataset["annotations"].append(annotation(32, 55, 3, None))
    # Those that cannot be used are not counted as clipped.
    dataset["annotations"].append(annotation(33, 10, 99, [50, 40, 30, 30]))
    del dataset["annotations"][-1]["id"]
    with caplog.at_level(logging.INFO):
        check(write_dataset(tmp_path, dataset))
    train = [record for record in caplog.records if record.getMessage().startswith("train: ")]
    assert {record.getMessage() for record in train if record.levelno == logging.WARNING} == {
        "train: 7 annotations are of images that are unknown or left out: dropped (annotation ids 21, 22, 23 ...)",
        "train: 1 annotations are of unknown categories: dropped (annotation ids None ...)",
    }
    assert {record.getMessage() for record in train if record.levelno == logging.INFO} == {
        "train: 2 images, 2 boxes (at most 1 per image), 1 crowds, 0 images without boxes",
        "train: 0 boxes extend beyond their image: clipped",
        "train: 0 boxes are missing, NaN or infinite: dropped",
        "train: 0 boxes have no width or height in their image: dropped",
        "train: 0 boxes have an area that no image has: their width times height is used",
        "train: 0 boxes are there twice, with the same category",
    }


@pytest.mark.parametrize("how", ["decode", "header"])
def test_bad_images_stop_or_are_left_out(tmp_path, how, caplog):
    dataset = small_dataset()
    for index in range(4):
        dataset["images"].append({"id": 100 + index, "file_name": f"bad{index}.jpg", "width": 8, "height": 8})
    images, file = write_dataset(tmp_path, dataset, image_names=["a.jpg", "b.jpg"])
    (images / "bad1.jpg").write_bytes(b"")
    (images / "bad2.jpg").write_text("no picture")
    cv2.imwrite(str(images / "bad3.jpg"), np.zeros((8, 9, 3), np.uint8))
    with pytest.raises(InputError) as caught:
        check((images, file), CheckSettings(how, skip_bad_images=False))
    sentence = str(caught.value)
    assert f"4 of 6 train images in {images} are missing or unreadable" in sentence
    assert "data.skip_bad_images" in sentence and "the first 3: " in sentence
    assert all(f"bad{index}.jpg" in sentence for index in (0, 1, 2)) and "bad3.jpg" not in sentence
    manifest = check((images, file), CheckSettings(how, skip_bad_images=True))
    files = manifest.splits["train"]
    assert files.excluded_images == ("bad0.jpg", "bad1.jpg", "bad2.jpg", "bad3.jpg")
    assert (files.images, files.boxes) == (2, 2)
    assert "train: 4 of 6 images left out" in caplog.text
    assert caplog.text.count("train: left out: ") == caplog.text.count("val: left out: ") == 4
    assert "9 x 8 pixels but its annotations say 8 x 8" in caplog.text


def test_three_bad_images_are_all_named(tmp_path):
    dataset = small_dataset()
    for index in range(3):
        dataset["images"].append({"id": 100 + index, "file_name": f"bad{index}.jpg", "width": 8, "height": 8})
    with pytest.raises(InputError) as caught:
        check(write_dataset(tmp_path, dataset, image_names=["a.jpg", "b.jpg"]))
    sentence = str(caught.value)
    assert all(f"bad{index}.jpg" in sentence for index in range(3)) and "first" not in sentence
    assert sentence.count("; ") >= 4


def test_truncated_image_passes_header_but_not_decode(tmp_path):
    images, file = write_dataset(tmp_path, small_dataset())
    noise = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    cv2.imwrite(str(images / "a.jpg"), noise)
    content = (images / "a.jpg").read_bytes()
    (images / "a.jpg").write_bytes(content[: len(content) // 2])
    assert check((images, file), CheckSettings("header", False)).splits["train"].images == 2
    with pytest.raises(InputError, match=r"a\.jpg is cut off"):
        check((images, file))


def test_all_images_bad_stops_even_if_they_may_be_skipped(tmp_path):
    with pytest.raises(InputError, match="2 of 2 train images") as caught:
        check(write_dataset(tmp_path, small_dataset(), image_names=[]), SKIP)
    assert "skip_bad_images" not in str(caught.value)


def test_exif_turned_image_fits_both_ways(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 8
    for width, height in ((60, 50), (50, 60)):
        dataset = small_dataset()
        dataset["images"][1].update(width=width, height=height)
        images, file = write_dataset(tmp_path / f"{width}", dataset)
        Image.new("RGB", (60, 50)).save(images / "a.jpg", exif=exif)
        for how in ("decode", "header"):
            assert check((images, file), CheckSettings(how, False)).splits["train"].images == 2


def test_no_usable_training_box_is_refused(tmp_path):
    dataset = small_dataset()
    for row in dataset["annotations"]:
        row["iscrowd"] = 1
    with pytest.raises(InputError, match="usable box"):
        check(write_dataset(tmp_path, dataset))


def without_annotations(dataset):
    dataset["annotations"] = []


def of_other_categories(dataset):
    dataset["categories"] = [{"id": 500, "name": "unheard of"}]
    for row in dataset["annotations"]:
        row["category_id"] = 500


def only_crowds(dataset):
    for row in dataset["annotations"]:
        row["iscrowd"] = 1


def in_fractions(dataset):
    for row in dataset["annotations"]:
        row["bbox"] = [value / 100 for value in row["bbox"]]


def whole_images_in_fractions(dataset):
    for row in dataset["annotations"]:
        row["bbox"] = [0, 0, 1, 1]


def in_rounded_fractions(dataset):
    in_fractions(dataset)
    # A right edge of 1.000001.
    dataset["annotations"][0]["bbox"] = [0.25, 0.1, 0.750001, 0.3]


def in_fractions_from_centres(dataset):
    for row in dataset["annotations"]:
        row["bbox"] = [0.6, 0.6, 0.7, 0.7]


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (of_other_categories, "no image in .* has a usable box"),
        (only_crowds, "no image in .* has a usable box"),
        (in_fractions, "most boxes in .* lie within 0..1.*left, top, width, height. in pixels"),
        (whole_images_in_fractions, "most boxes in .* lie within 0..1"),
        (in_rounded_fractions, "most boxes in .* lie within 0..1"),
        (in_fractions_from_centres, "most boxes in .* lie within 0..1"),
    ],
)
def test_annotations_without_a_usable_box_are_refused(tmp_path, split, spoil, sentence):
    categories = check(write_dataset(tmp_path / "whole", small_dataset())).categories
    dataset = small_dataset()
    spoil(dataset)
    with pytest.raises(InputError, match=sentence):
        check_dataset("custom", {split: write_dataset(tmp_path, dataset)}, STRICT, categories)


def test_validation_images_without_annotations_are_checked_and_evaluated(tmp_path, caplog):
    """An empty list is refused for training; an evaluation has no accuracy, -1 in COCO's metrics."""
    dataset = small_dataset()
    without_annotations(dataset)
    spoilt = write_dataset(tmp_path / "val", dataset)
    manifest = check(write_dataset(tmp_path / "train", small_dataset()), val=spoilt)
    assert "has no annotations" in caplog.text and "AP -1" in caplog.text
    files = manifest.splits["val"]
    assert (files.images, files.boxes, files.max_boxes) == (2, 0, 0)
    assert (files.crowds, files.images_without_boxes) == (0, 2)
    # A detection in image 10: image id, left, top, width, height, score, category id.
    metrics = coco_result(TrueBoxes.of_split(manifest, "val"), np.array([[10, 5, 5, 20, 10, 0.9, 3]])).metrics
    assert metrics["AP"] == metrics["AR100"] == -1
    assert list(metrics["per_class"]) == ["early", "late"]
    with pytest.raises(InputError, match="usable box"):
        check_dataset("custom", {"train": spoilt}, STRICT, manifest.categories)


def test_splits_checked_one_by_one_are_those_checked_together(tmp_path):
    """Validation annotations may list other categories, or fewer: labels follow those of the training annotations."""
    dataset = small_dataset()
    dataset["categories"] = dataset["categories"][:1]
    dataset["annotations"] = dataset["annotations"][:1]
    places = {
        "val": write_dataset(tmp_path / "val", dataset),
        "train": write_dataset(tmp_path / "train", small_dataset()),
    }
    together = check_dataset("custom", places, STRICT)
    assert together.splits["val"].boxes == 1
    train = check_dataset("custom", {"train": places["train"]}, STRICT)
    val = check_dataset("custom", {"val": places["val"]}, STRICT, train.categories)
    assert val.categories == train.categories == together.categories
    assert {**train.splits, **val.splits} == together.splits


def test_a_folder_of_the_usual_layout(tmp_path):
    for split in ("train", "val"):
        images, file = write_dataset(tmp_path / "made" / split, small_dataset())
        images.rename(tmp_path / split)
        (tmp_path / "annotations").mkdir(exist_ok=True)
        file.rename(tmp_path / "annotations" / f"{split}.json")
    # Only the headers of images are read.
    content = (tmp_path / "val" / "a.jpg").read_bytes()
    (tmp_path / "val" / "a.jpg").write_bytes(content[: len(content) - 50])
    manifest = manifest_of_folder(tmp_path)
    assert (manifest.provider, manifest.splits["val"].images) == ("custom", 2)
    (tmp_path / "val" / "a.jpg").unlink()
    with pytest.raises(InputError, match=r"1 of 2 val images.*a\.jpg"):
        manifest_of_folder(tmp_path)
    (tmp_path / "train" / "b.jpg").replace(tmp_path / "val" / "a.jpg")
    with pytest.raises(InputError, match=r"1 of 2 train images.*b\.jpg"):
        manifest_of_folder(tmp_path)


def test_a_category_with_two_names_is_refused(tmp_path):
    train = write_dataset(tmp_path / "train", small_dataset())
    dataset = small_dataset()
    dataset["categories"][0]["name"] = "other"
    with pytest.raises(InputError, match=r"category 7 'other'.*'late'"):
        check(train, val=write_dataset(tmp_path / "val", dataset))


def test_missing_folder_and_file_are_named(tmp_path):
    images, file = write_dataset(tmp_path, small_dataset())
    with pytest.raises(InputError, match=r"image folder .*nowhere does not exist"):
        check((tmp_path / "nowhere", file))
    with pytest.raises(InputError, match=r"annotation file .*nothing\.json does not exist"):
        check((images, tmp_path / "nothing.json"))


def test_fingerprint_follows_content_not_place(tmp_path):
    prints = []
    for name in ("one", "two"):
        prints.append(check(write_dataset(tmp_path / name, small_dataset())).fingerprint("train", "val"))
    assert prints[0] == prints[1]
    images, file = tmp_path / "two" / "images", tmp_path / "two" / "annotations.json"
    cv2.imwrite(str(images / "a.jpg"), np.full((50, 60, 3), 91, np.uint8))
    prints.append(check((images, file)).fingerprint("train", "val"))
    file.write_text(file.read_text() + " ")
    assert check((images, file)).fingerprint("train", "val") == prints[-1]
    (images / "b.jpg").unlink()
    prints.append(check((images, file), SKIP).fingerprint("train", "val"))
    assert len(set(prints)) == len(prints) - 1


@pytest.mark.parametrize(
    "change",
    [
        lambda dataset: dataset["images"][0].update(id=21) or dataset["annotations"][0].update(image_id=21),
        lambda dataset: dataset["annotations"][0].update(bbox=[1, 2, 10, 9]),
        lambda dataset: dataset["annotations"][0].update(area=79),
        lambda dataset: dataset["annotations"][0].update(category_id=3),
        lambda dataset: dataset["annotations"][0].update(iscrowd=1) or dataset["annotations"][1].update(iscrowd=0),
        lambda dataset: dataset["annotations"].pop(),
    ],
)
def test_the_fingerprint_of_a_split_follows_what_its_annotations_say(tmp_path, change):
    dataset = small_dataset()
    before = check(write_dataset(tmp_path / "a", dataset)).splits["val"].fingerprint
    # Other words for the same.
    dataset["info"] = {"year": 2014}
    dataset["annotations"][0] |= {"bbox": [1.0, 2.0, 10.0, 8.0], "id": 77, "iscrowd": False}
    assert check(write_dataset(tmp_path / "b", dataset)).splits["val"].fingerprint == before
    change(dataset)
    assert check(write_dataset(tmp_path / "c", dataset)).splits["val"].fingerprint != before


def warnings_of(caplog, places, val=None):
    caplog.clear()
    check(places, val=val)
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_what_is_corrected_is_told(tmp_path, caplog):
    dataset = small_dataset()
    dataset["categories"].append({"id": 9, "name": "late"})
    first = dataset["annotations"][0]
    # Again; in another class; one pixel larger; as a crowd.
    dataset["annotations"] += [
        {**first, "id": 11},
        {**first, "id": 12, "category_id": 3},
        {**first, "id": 13, "bbox": [1, 2, 10, 9]},
        {**first, "id": 14, "iscrowd": 1},
        {**first, "id": 15},
    ]
    dataset["annotations"][1]["area"] = -1
    del dataset["annotations"][2]["area"]
    train = [text for text in warnings_of(caplog, write_dataset(tmp_path, dataset)) if text.startswith("train")]
    assert train == [
        "train: category 9 has the name of another one, 'late': it is called 'late (2)'",
        "train: 1 boxes have an area that no image has: their width times height is used (annotation ids 2 ...)",
        "train: 2 boxes are there twice, with the same category (annotation ids 11, 15 ...)",
    ]


def test_validation_categories_are_matched_by_name(tmp_path, caplog):
    train = write_dataset(tmp_path / "train", small_dataset())
    dataset = small_dataset()
    dataset["categories"] = [{"id": 7, "name": "late"}, {"id": 4, "name": "early"}, {"id": 5, "name": "only here"}]
    dataset["annotations"][1]["category_id"] = 4
    val = write_dataset(tmp_path / "val", dataset)
    assert warnings_of(caplog, train, val) == [
        f"1 categories of {val[1]} have other ids than in the training annotations, such as 'early' (3 there, 4 here): "
        "they are matched by name, and results have the ids of the training annotations"
    ]
    # Without other ids there is nothing to tell.
    assert warnings_of(caplog, train) == []
