"""The analysis of an evaluation: each part by hand, or against another calculation."""

import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scenes import random_scene

from yolov3.evaluation.analysis import analysed_result
from yolov3.evaluation.coco_metrics import coco_result
from yolov3.evaluation.true_boxes import TrueBoxes


def dataset(*boxes, images=2):
    """A data set of classes a and b, of (image, label, box_xywh)."""
    return {
        "images": [{"id": index + 5} for index in range(images)],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "annotations": [
            {
                "image_id": image + 5,
                "category_id": label + 1,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": 0,
                "id": number,
            }
            for number, (image, label, box) in enumerate(boxes, 1)
        ],
    }


def rows(*found):
    """Detections of (image, label, box_xywh, score)."""
    return np.array([[image, *box, score, label] for image, label, box, score in found], np.float64).reshape(-1, 7)


def analysis_of(truth, found):
    return analysed_result(TrueBoxes.of(truth), found).metrics["analysis"]


SQUARE = [10, 10, 40, 40]


def test_the_metrics_are_those_without_an_analysis_and_all_is_json():
    truth, found = random_scene(1)
    result, plain = analysed_result(TrueBoxes.of(truth), found), coco_result(TrueBoxes.of(truth), found)
    assert {key: value for key, value in result.metrics.items() if key != "analysis"} == plain.metrics
    assert result.summary == plain.summary
    assert json.loads(json.dumps(result.metrics["analysis"])) == result.metrics["analysis"]


def test_each_kind_of_error_by_hand():
    # Six boxes of a; of class b one far away, so that b has an AP.
    places = [[60 * column, 80 * row, 40, 40] for row in range(2) for column in range(3)]
    truth = dataset(*((0, 0, place) for place in places), (1, 1, [100, 100, 50, 50]))
    half_beside = [places[1][0] + 20, places[1][1], 40, 40]  # IoU 1/3
    found = rows(
        (0, 0, places[0], 0.9),  # right
        (0, 0, places[0], 0.8),  # duplicate
        (0, 0, half_beside, 0.7),  # location
        (0, 1, places[2], 0.6),  # class
        (0, 1, [places[3][0] + 20, places[3][1], 40, 40], 0.5),  # both
        (0, 0, [300, 300, 20, 20], 0.4),  # background
        (1, 1, [100, 100, 50, 50], 0.95),  # right
    )
    errors = analysis_of(truth, found)["errors"]
    assert {kind: values["count"] for kind, values in errors.items()} == {
        "class": 1,
        "location": 1,
        "class and location": 1,
        "duplicate": 1,
        "background": 1,
        # places 3, 4 and 5; those of the class and the location error are not missed.
        "missed": 3,
    }
    # With one of six boxes found first, AP50 of a is 17/101: recalls 0 to 0.16. Without the duplicate it is the same.
    # A right location adds a second box after 2 of 3: recalls 0.17 to 0.33 at precision 2/3.
    assert errors["duplicate"]["cost"] == 0
    assert errors["location"]["cost"] == pytest.approx(17 * (2 / 3) / 101 / 2)
    # Without three boxes that are missed, one of three is found: recalls 0 to 0.33 instead of 0 to 0.16.
    assert errors["missed"]["cost"] == pytest.approx(17 / 101 / 2)


def test_errors_cost_what_tidecv_says():
    # Where tidecv and COCO agree: no crowds, no equal scores, and at most 100 detections of an image.
    truth, found = random_scene(2, images=40, has_crowds=False)
    found = found[:-120]
    found = found[found[:, 6] < 3]
    found[:, 5] = np.random.default_rng(9).permutation(len(found)) / len(found)
    errors = analysis_of(truth, found)["errors"]
    # By tidecv 1.0.1.
    assert [values["count"] for values in errors.values()] == [8, 41, 4, 46, 7, 47]
    costs = [0.0227185098, 0.1752123550, 0.0087899085, 0.0378751347, 0.0060674665, 0.1760854250]
    assert [values["cost"] for values in errors.values()] == pytest.approx(costs, abs=2e-4)


def test_confusions_at_the_best_threshold():
    beside = [10, 80, 40, 40]
    truth = dataset((0, 0, SQUARE), (0, 1, beside), (1, 0, SQUARE))
    found = rows((0, 0, SQUARE, 0.9), (0, 0, beside, 0.8), (1, 0, [150, 150, 20, 20], 0.1), (1, 0, SQUARE, 0.7))
    analysis = analysis_of(truth, found)
    assert analysis["threshold"]["score"] == 0.7
    assert analysis["threshold"]["f1"] == pytest.approx(2 / 3)
    # The detection of score 0.1 does not count. Rows are true classes, columns predicted ones.
    assert analysis["confusion"] == [[2, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert analysis["class_thresholds"]["a"]["recall"] == 1
    assert analysis["class_thresholds"]["b"] is None


def test_missed_and_extra_boxes_are_confused_with_the_background():
    truth = dataset((0, 0, SQUARE), (0, 1, [10, 80, 40, 40]))
    found = rows((0, 0, SQUARE, 0.9), (0, 1, [150, 150, 20, 20], 0.95))
    assert analysis_of(truth, found)["confusion"] == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]


def test_detections_on_a_crowd_are_no_confusion():
    truth = dataset((0, 0, SQUARE), (0, 0, [100, 100, 80, 80]))
    truth["annotations"][1]["iscrowd"] = 1
    inside = [(0, 0, [100 + 10 * step, 110, 20, 20], 0.95) for step in range(5)]
    analysis = analysis_of(truth, rows((0, 0, SQUARE, 0.9), *inside))
    assert analysis["confusion"] == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert analysis["threshold"]["precision"] == 1 and analysis["worst_images"] == []


def evaluated(truth, found, sizes, bounds):
    """AP50 by pycocotools of the boxes of a range of sizes."""
    with_ids = found.copy()
    with_ids[:, 0] = [truth["images"][int(index)]["id"] for index in found[:, 0]]
    with_ids[:, 6] = [truth["categories"][int(label)]["id"] for label in found[:, 6]]
    whole = COCO()
    whole.dataset = {**truth, "annotations": [{**box, "area": sizes(*box["bbox"][2:])} for box in truth["annotations"]]}
    whole.createIndex()
    detections = whole.loadRes(with_ids)
    for box in detections.dataset["annotations"]:
        box["area"] = sizes(*box["bbox"][2:])
    evaluation = COCOeval(whole, detections, "bbox")
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [bounds], ["all"]
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    return precision[precision > -1].mean(), precision[0][precision[0] > -1].mean()


@pytest.mark.parametrize(
    ("kind", "name", "sizes", "bounds"),
    [
        ("size", "32 to 64 px", lambda width, height: (width * height) ** 0.5, [32, 63.9999999]),
        ("size", "up to 16 px", lambda width, height: (width * height) ** 0.5, [0, 15.9999999]),
        ("shape", "up to 1.5 : 1", lambda *sides: max(sides) / min(sides), [1, 1.4999999]),
        ("shape", "from 3 : 1", lambda *sides: max(sides) / min(sides), [3, 1e10]),
    ],
)
def test_slices_of_boxes_are_evaluated_as_areas_are(kind, name, sizes, bounds):
    truth, found = random_scene(4, images=60)
    entries = {entry["name"]: entry for entry in analysis_of(truth, found)["slices"][kind]}
    ap, ap50 = evaluated(truth, found, sizes, bounds)
    assert (entries[name]["AP"], entries[name]["AP50"]) == pytest.approx((ap, ap50))
    objects = [box for box in truth["annotations"] if not box["iscrowd"]]
    inside = [box for box in objects if bounds[0] <= sizes(*box["bbox"][2:]) <= bounds[1]]
    assert entries[name]["boxes"] == len(inside) > 3
    assert sum(entry["boxes"] for entry in entries.values()) == len(objects)


def test_slices_by_objects_are_evaluations_of_these_images():
    truth, found = random_scene(4, images=60)
    objects = np.bincount(
        [box["image_id"] // 10 for box in truth["annotations"] if not box["iscrowd"]], minlength=len(truth["images"])
    )
    for entry, (first, last) in zip(
        analysis_of(truth, found)["slices"]["objects in the image"], ((1, 2), (3, 5), (6, 10)), strict=True
    ):
        chosen = np.flatnonzero((objects >= first) & (objects <= last))
        part = {
            **truth,
            "images": [truth["images"][index] for index in chosen],
            "annotations": [box for box in truth["annotations"] if box["image_id"] // 10 in chosen],
        }
        of_part = found[np.isin(found[:, 0], chosen)]
        of_part[:, 0] = np.searchsorted(chosen, of_part[:, 0])
        metrics = coco_result(TrueBoxes.of(part), of_part).metrics
        assert entry["name"] == f"{first} to {last}"
        assert (entry["boxes"], entry["AP"], entry["AP50"]) == (
            objects[chosen].sum(),
            pytest.approx(metrics["AP"]),
            pytest.approx(metrics["AP50"]),
        )


def test_calibration_by_hand():
    truth = dataset((0, 0, SQUARE), (1, 0, SQUARE))
    found = rows((0, 0, SQUARE, 0.95), (0, 1, SQUARE, 0.91), (1, 0, SQUARE, 0.25))
    calibration = analysis_of(truth, found)["calibration"]
    assert calibration["bins"] == [
        {"score": pytest.approx(0.25), "precision": 1, "detections": 1},
        {"score": pytest.approx(0.93), "precision": 0.5, "detections": 2},
    ]
    assert calibration["error"] == pytest.approx((0.75 + 2 * 0.43) / 3)


def test_the_worst_images_come_first():
    truth = dataset((0, 0, SQUARE), (1, 0, SQUARE), (1, 1, [100, 100, 30, 30]), images=3)
    found = rows(
        (0, 0, SQUARE, 0.9), (1, 0, SQUARE, 0.1), (2, 0, SQUARE, 0.95), (2, 1, SQUARE, 0.94), (2, 1, SQUARE, 0.93)
    )
    # All detections count at the best threshold. Image 1 has lost a box, image 2 has detections but no box.
    analysis = analysis_of(truth, found)
    assert analysis["threshold"]["score"] == 0.1
    assert analysis["worst_images"] == [
        {"image": 2, "missed": 0, "extra": 3},
        {"image": 1, "missed": 1, "extra": 0},
    ]


def test_no_detections_no_boxes_and_no_images():
    truth, found = random_scene(1)
    for part, of_part in ((truth, found[:0]), ({**truth, "annotations": []}, found)):
        analysis = analysis_of(part, of_part)
        assert analysis["threshold"] is None
        assert set(analysis["class_thresholds"].values()) == {None}
        assert np.sum(analysis["confusion"]) == sum(not box["iscrowd"] for box in part["annotations"])
    assert analysis["slices"]["size"] == []
