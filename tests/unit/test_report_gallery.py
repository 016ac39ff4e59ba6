"""The gallery's choice, matching and drawing, against worked examples."""

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest
from report_inputs import annotation, write_dataset

from yolov3.boxes import Detections
from yolov3.data.annotations import annotation_rows, categories_of, read_annotations, split_of
from yolov3.drawing.labels import colour_of
from yolov3.report.gallery import chosen_images, gallery, match

NAMES = ("round", "square")


def found(*rows):
    """Return detections from (left, top, right, bottom, label, score)."""
    values = np.array(rows, np.float64).reshape(-1, 6)
    return Detections(values[:, :4], values[:, 5], values[:, 4].astype(np.int64))


def small_split(folder: Path, width, height, boxes_xywh=(), categories=()):
    """Return a split of one image with id 7 and boxes, of class "round" unless `categories` has their ids."""
    dataset = {
        "images": [{"id": 7, "file_name": "a.jpg", "width": width, "height": height}],
        "categories": [{"id": row + 1, "name": name} for row, name in enumerate(NAMES)],
        "annotations": [
            annotation(row, 7, category, list(box))
            for row, (box, category) in enumerate(
                zip(boxes_xywh, categories or [1] * len(boxes_xywh), strict=True), start=1
            )
        ],
    }
    image_dir, file = write_dataset(folder, dataset)
    dataset = read_annotations(file)
    return split_of(dataset, annotation_rows(dataset, categories_of(dataset)), image_dir)


@pytest.mark.parametrize(
    ("count", "wanted", "expected"),
    [(10, 5, [1, 3, 5, 7, 9]), (100, 2, [25, 75]), (3, 12, [0, 1, 2]), (1, 1, [0]), (5, 0, []), (0, 4, [])],
)
def test_chosen_images_spread_evenly(count, wanted, expected):
    assert chosen_images(count, wanted) == expected


def test_match_takes_each_true_box_once_and_only_of_its_class():
    truth = np.array([[0, 0, 10, 10], [20, 0, 30, 10]], np.float32)
    labels = np.array([0, 1], np.int32)
    detections = found(
        (0, 0, 10, 9, 0, 0.9),  # IoU 0.9 with the first
        (0, 0, 10, 10, 0, 0.8),  # perfect, but the first is taken
        (20, 0, 30, 10, 0, 0.7),  # the second's place, another class
        (20, 0, 30, 5, 1, 0.6),  # IoU 0.5 with the second: just enough
    )
    assert match(detections, truth, labels).tolist() == [0, -1, -1, 1]
    assert match(found((20, 0, 30, 4.9, 1, 0.6)), truth, labels).tolist() == [-1]


def test_match_without_boxes():
    none = np.empty((0, 4), np.float32), np.empty(0, np.int32)
    assert match(found((0, 0, 1, 1, 0, 0.5)), *none).tolist() == [-1]
    assert match(found(), np.array([[0, 0, 1, 1]], np.float32), np.array([0])).tolist() == []


def test_boxes_scale_with_the_picture(tmp_path):
    split = small_split(tmp_path, 180, 90, [(18, 9, 36, 45)])
    (picture,) = gallery(split, [0], NAMES, [("float", {0: found((90, 0, 180, 90, 1, 0.75))})])
    # 180 pixels are drawn 360 units wide.
    assert picture.view_box == (0, 0, 360, 180)
    (drawing,) = picture.drawings
    (true,), (predicted,) = drawing.true_marks, drawing.predicted_marks
    assert (true.left, true.top, true.width, true.height) == (36, 18, 72, 90)
    assert (predicted.left, predicted.top, predicted.width, predicted.height) == (180, 0, 180, 180)
    assert predicted.label.text == "square 0.75"
    assert true.label.text == "missed: round"
    assert drawing.caption == "0 of 1 found, 1 extra"


def test_found_box_is_not_named_twice(tmp_path):
    split = small_split(tmp_path, 100, 100, [(10, 10, 50, 50)])
    (picture,) = gallery(split, [0], NAMES, [("float", {0: found((10, 10, 60, 60, 0, 0.5))})])
    (drawing,) = picture.drawings
    assert drawing.caption == "1 of 1 found"
    assert drawing.true_marks[0].label is None


def test_a_box_of_several_classes_is_drawn_with_its_best(tmp_path):
    box = (10, 10, 60, 60)
    split = small_split(tmp_path, 100, 100, [(10, 10, 50, 50)])
    several = found((*box, 0, 0.5), (0, 0, 9, 9, 1, 0.45), (*box, 1, 0.4))
    (picture,) = gallery(split, [0], NAMES, [("float", {0: several})])
    (drawing,) = picture.drawings
    assert drawing.caption == "1 of 1 found, 1 extra"
    # The best is drawn last, on top.
    assert [mark.title for mark in drawing.predicted_marks] == ["square 0.45", "round 0.50"]


def test_two_classes_that_are_both_right_are_both_drawn(tmp_path):
    split = small_split(tmp_path, 100, 100, [(0, 0, 100, 100), (0, 0, 100, 100)], categories=[1, 2])
    both = found((0, 0, 100, 100, 1, 0.5), (0, 0, 100, 100, 0, 0.4))
    (picture,) = gallery(split, [0], NAMES, [("float", {0: both})])
    (drawing,) = picture.drawings
    assert drawing.caption == "2 of 2 found"
    assert [mark.title for mark in drawing.predicted_marks] == ["round 0.40", "square 0.50"]


def test_every_program_has_its_drawing_of_the_same_picture(tmp_path):
    split = small_split(tmp_path, 100, 100)
    programs = [("float", {0: found()}), ("int8", {0: found((0, 0, 9, 9, 0, 0.5))})]
    (picture,) = gallery(split, [0], NAMES, programs)
    assert [drawing.name for drawing in picture.drawings] == ["float", "int8"]
    assert [drawing.caption for drawing in picture.drawings] == ["no true boxes", "no true boxes, 1 extra"]


@pytest.mark.parametrize(("width", "height"), [(40, 400), (400, 20), (1200, 900)])
def test_view_holds_images_of_any_shape(tmp_path, width, height):
    (picture,) = gallery(small_split(tmp_path, width, height), [0], NAMES, [])
    left, top, view_width, view_height = picture.view_box
    assert view_width == 360
    assert left <= 0 <= picture.width <= left + view_width + 1e-9
    assert top <= 0 <= picture.height <= top + view_height + 1e-9
    assert picture.width / picture.height == pytest.approx(width / height)


def test_labels_neither_overlap_nor_leave_the_picture_nor_cover_it(tmp_path):
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, 60, (40, 2))
    rows = [(x, y, x + 30, y + 20, label, 0.5) for (x, y), label in zip(corners, rng.integers(0, 2, 40), strict=True)]
    split = small_split(tmp_path, 100, 80)
    (picture,) = gallery(split, [0], NAMES, [("float", {0: found(*rows)})])
    labels = [mark.label for mark in picture.drawings[0].predicted_marks if mark.label]
    assert len(picture.drawings[0].predicted_marks) == 40
    assert len(labels) > 3
    covered = np.zeros((int(picture.height) + 20, 400), int)
    for label in labels:
        assert 0 <= label.left <= picture.width - label.width + 0.1
        assert 0 <= label.top <= picture.height - 18 + 0.1
        # Rounded inwards: places are given to a tenth of a unit.
        rows_of = slice(int(np.ceil(label.top)), int(label.top + 18))
        covered[rows_of, int(np.ceil(label.left)) : int(label.left + label.width)] += 1
    assert covered.max() == 1
    assert covered.sum() < picture.width * picture.height / 3


def test_picture_shows_the_image_in_its_colours_and_in_few_bytes(tmp_path):
    split = small_split(tmp_path, 1000, 500)
    image = np.zeros((500, 1000, 3), np.uint8)
    image[:, :500] = (0, 0, 255)  # OpenCV's red
    cv2.imwrite(str(split.path(0)), image)
    (picture,) = gallery(split, [0], NAMES, [])
    encoded = base64.b64decode(picture.data_uri.removeprefix("data:image/jpeg;base64,"))
    shown = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == (280, 560, 3)
    assert shown[140, 100] == pytest.approx([0, 0, 255], abs=4)
    assert shown[140, 460] == pytest.approx([0, 0, 0], abs=4)


def test_large_galleries_have_smaller_pictures(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (600, 800, 3), dtype=np.uint8)
    split = small_split(tmp_path, 800, 600)
    cv2.imwrite(str(split.path(0)), noise)
    pictures = gallery(split, [0] * 40, NAMES, [])
    assert sum(len(picture.data_uri) for picture in pictures) < 2_000_000


def test_colours_are_light_and_differ():
    colours = [colour_of(label) for label in range(80)]
    assert len(set(colours)) == 80
    for colour in colours:
        red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
        # Relative luminance of WCAG 2 against the label's near-black text.
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
        assert (np.dot(linear, [0.2126, 0.7152, 0.0722]) + 0.05) / 0.058 > 4.5
