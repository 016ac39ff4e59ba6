"""Tiles: a detector that finds coloured rectangles exactly, so that what the merged tiles give is known by hand."""

import cv2
import numpy as np
import pytest

from yolov3.boxes import Detections
from yolov3.prediction.tiles import TileSettings, detect_in_tiles, tile_starts

COLOURS = np.array([(250, 0, 0), (0, 250, 0)])


def find_rectangles(image_rgb):
    """Detect rectangles of two colours; a part of one scores nearly as much as a whole one."""
    boxes, scores, labels = [], [], []
    for label, colour in enumerate(COLOURS):
        mask = (image_rgb == colour).all(axis=2).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        for left, top, width, height, area in stats[1:]:
            boxes.append((left, top, left + width, top + height))
            # Smaller ones score more, so that NMS alone would prefer a part.
            scores.append(1 - area / 1e6)
            labels.append(label)
    order = np.argsort(-np.array(scores), kind="stable")
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4)[order],
        np.array(scores, np.float32)[order],
        np.array(labels, np.int64)[order],
    )


def drawn(height, width, boxes, label=0):
    image = np.zeros((height, width, 3), np.uint8)
    for left, top, right, bottom in boxes:
        image[top:bottom, left:right] = COLOURS[label]
    return image


def settings(size=100, overlap=0.4, whole_image=False, nms_thresh=0.5):
    return TileSettings(size, overlap, whole_image, nms_thresh, (64, 64))


def boxes_of(detections):
    return sorted(tuple(map(int, box)) for box in detections.boxes_xyxy)


@pytest.mark.parametrize(
    ("length", "size", "overlap", "starts"),
    [
        (50, 100, 0.2, [0]),
        (100, 100, 0.2, [0]),
        (101, 100, 0.2, [0, 1]),
        (180, 100, 0.2, [0, 80]),
        (181, 100, 0.2, [0, 80, 81]),
        (250, 100, 0.0, [0, 100, 150]),
        (40, 33, 0.9, [0, 3, 6, 7]),
    ],
)
def test_tiles_cover_a_side_and_end_with_it(length, size, overlap, starts):
    assert tile_starts(length, size, overlap) == starts


# Tiles of 100 pixels start at 0, 60, 120 and 160: seams are at 60, 100, 120, 160 and 220.
SEAMS = [
    (10, 10, 30, 25),
    (45, 50, 75, 80),
    (90, 90, 120, 115),
    (150, 55, 175, 85),
    (215, 5, 240, 35),
    (100, 200, 130, 230),
]


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("whole_image", [False, True])
def test_an_object_at_a_seam_is_found_once(label, whole_image):
    found = detect_in_tiles(drawn(260, 260, SEAMS, label), find_rectangles, settings(whole_image=whole_image))
    assert boxes_of(found) == sorted(SEAMS)
    assert set(found.labels) == {label}
    assert (np.diff(found.scores) <= 0).all()


def test_every_place_of_an_object_is_found_once():
    for left in range(0, 225, 7):
        box = (left, 225 - left, left + 30, 250 - left)
        assert boxes_of(detect_in_tiles(drawn(260, 260, [box]), find_rectangles, settings())) == [box]


def test_an_object_larger_than_the_overlap_needs_the_whole_image():
    box = (20, 20, 240, 200)
    image = drawn(260, 260, [box])
    assert boxes_of(detect_in_tiles(image, find_rectangles, settings(whole_image=True))) == [box]
    parts = boxes_of(detect_in_tiles(image, find_rectangles, settings()))
    assert len(parts) > 1 and box not in parts


def test_a_part_inside_of_another_class_stays():
    # Without overlap, the green one is cut at 100, and its left part lies mostly in the red one.
    image = drawn(100, 200, [(40, 40, 99, 80)])
    image[50:60, 85:150] = COLOURS[1]
    found = detect_in_tiles(image, find_rectangles, settings(overlap=0.0))
    assert boxes_of(found) == [(40, 40, 99, 80), (85, 50, 100, 60), (100, 50, 150, 60)]


def test_an_object_at_the_edge_of_the_image_is_not_a_part():
    # An L upside down, whose box holds another object.
    image = drawn(100, 160, [(50, 0, 56, 60), (10, 54, 56, 60), (20, 0, 40, 20)])
    found = detect_in_tiles(image, find_rectangles, settings())
    assert boxes_of(found) == [(10, 0, 56, 60), (20, 0, 40, 20)]


def test_an_object_at_the_edge_of_the_image_is_complete():
    boxes = [(0, 0, 20, 20), (240, 230, 260, 260), (0, 130, 15, 150)]
    assert boxes_of(detect_in_tiles(drawn(260, 260, boxes), find_rectangles, settings())) == sorted(boxes)


@pytest.mark.parametrize("shape", [(100, 100), (100, 40), (1, 1)])
def test_an_image_no_larger_than_a_tile_is_not_divided(shape):
    image, answer = drawn(*shape, []), object()
    assert detect_in_tiles(image, lambda pixels: answer if pixels is image else None, settings()) is answer


def test_nothing_is_found_in_nothing():
    assert len(detect_in_tiles(drawn(260, 120, []), find_rectangles, settings())) == 0
