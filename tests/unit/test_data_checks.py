import logging
import math

import cv2
import numpy as np
import pytest
from annotated_images import annotation, small_dataset, write_dataset
from PIL import Image

from yolov3.data.checks import CheckSettings, CustomSettings, check_dataset
from yolov3.errors import InputError

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
    with caplog.at_level(logging.INFO):
        check(write_dataset(tmp_path, dataset))
    log = caplog.text
    assert "train: 2 images, 4 boxes (at most 3 an image), 1 crowds, 0 images without boxes" in log
    assert "train: 2 boxes reach outside their image: clipped (annotation ids 11, 12 ...)" in log
    assert "train: 1 boxes have no width or height in their image: dropped (annotation ids 13 ...)" in log
    assert "train: 1 boxes are missing, NaN or infinite: dropped (annotation ids 14 ...)" in log
    assert "train: 3 annotations are of unknown categories: dropped (annotation ids 15, 16, 17 ...)" in log
    assert "train: 1 annotations are of images that are unknown or left out: dropped (annotation ids 18 ...)" in log


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
    assert "4 of 6 train images" in sentence and "data.skip_bad_images" in sentence
    assert all(f"bad{index}.jpg" in sentence for index in (0, 1, 2)) and "bad3.jpg" not in sentence
    manifest = check((images, file), CheckSettings(how, skip_bad_images=True))
    files = manifest.splits["train"]
    assert files.excluded_images == ("bad0.jpg", "bad1.jpg", "bad2.jpg", "bad3.jpg")
    assert (files.images, files.boxes) == (2, 2)
    assert "4 of 6 images left out" in caplog.text
    assert "9 x 8 pixels but its annotations say 8 x 8" in caplog.text


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
    with pytest.raises(InputError, match="2 of 2 train images"):
        check(write_dataset(tmp_path, small_dataset(), image_names=[]), SKIP)


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


def test_validation_may_lack_boxes_and_have_other_categories(tmp_path):
    train = write_dataset(tmp_path / "train", small_dataset())
    dataset = small_dataset()
    dataset["categories"] = [{"id": 500, "name": "unheard of"}]
    for row in dataset["annotations"]:
        row["category_id"] = 500
    files = check(train, val=write_dataset(tmp_path / "val", dataset)).splits["val"]
    assert (files.images, files.boxes, files.max_boxes) == (2, 0, 0)


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
        prints.append(check(write_dataset(tmp_path / name, small_dataset())).fingerprint)
    assert prints[0] == prints[1]
    images, file = tmp_path / "two" / "images", tmp_path / "two" / "annotations.json"
    cv2.imwrite(str(images / "a.jpg"), np.full((50, 60, 3), 91, np.uint8))
    prints.append(check((images, file)).fingerprint)
    file.write_text(file.read_text() + " ")
    prints.append(check((images, file)).fingerprint)
    (images / "b.jpg").unlink()
    prints.append(check((images, file), SKIP).fingerprint)
    assert len(set(prints)) == len(prints) - 1


def test_custom_paths_must_be_given():
    settings = CustomSettings("images", "train.json", "images", "")
    with pytest.raises(InputError, match=r"custom\.val_annotations is empty"):
        settings.places()
