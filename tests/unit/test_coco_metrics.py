"""The COCO numbers on cases that can be worked out by hand."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from yolov3.evaluation.coco_metrics import coco_result
from yolov3.evaluation.true_boxes import TrueBoxes

HEADING = "=============coco eval result========="
NAMES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]


def ground_truth(boxes, categories=((1, "a"), (7, "b"))):
    return {
        "images": [{"id": image, "width": 200, "height": 200} for image in sorted({box[0] for box in boxes} | {1})],
        "categories": [{"id": number, "name": name} for number, name in categories],
        "annotations": [
            {
                "id": index + 1,
                "image_id": image,
                "category_id": category,
                "bbox": list(bbox),
                "iscrowd": 0,
                "area": bbox[2] * bbox[3],
            }
            for index, (image, category, bbox) in enumerate(boxes)
        ],
    }


def rows(*detections):
    return np.array(detections, np.float64).reshape(-1, 7)


def found(image, category, bbox, score):
    return [image, *bbox, score, category]


def result_of(truth, detections):
    """The result of detections with ids, as pycocotools reads them, in place of indices."""
    boxes = TrueBoxes.of(truth)
    by_index = detections.copy()
    by_index[:, 0] = [boxes.ids.image_index[image_id] for image_id in detections[:, 0]]
    by_index[:, 6] = [boxes.ids.label[category_id] for category_id in detections[:, 6]]
    return coco_result(boxes, by_index)


TRUTH = [(1, 1, (10, 10, 50, 50)), (1, 7, (100, 100, 20, 20)), (2, 1, (0, 0, 100, 100))]


def test_perfect_detections():
    result = result_of(ground_truth(TRUTH), rows(*(found(*box, 0.9) for box in TRUTH)))
    assert result.metrics["AP"] == pytest.approx(1)
    assert result.metrics["per_class"]["a"] == {"AP": 1.0, "AP50": 1.0, "boxes": 2}
    assert result.metrics["per_class"]["b"]["boxes"] == 1
    assert result.metrics["precision_recall"]["mean"]["0.50"] == [1.0] * 101


def test_half_of_a_class_is_missed():
    # One of two boxes of class a is found: precision 1 up to recall 0.5, which is 51 of the 101 recall points.
    result = result_of(ground_truth(TRUTH), rows(found(*TRUTH[0], 0.9), found(*TRUTH[1], 0.8)))
    assert result.metrics["per_class"]["a"]["AP50"] == pytest.approx(51 / 101)
    assert result.metrics["AP50"] == pytest.approx((51 / 101 + 1) / 2)
    assert result.metrics["AR100"] == pytest.approx(0.75)


def test_overlap_of_four_fifths_counts_up_to_080():
    # 50 x 50 against 50 x 40 shifted inside: IoU 0.8 passes .50 to .80, 7 of the 10 thresholds.
    result = result_of(ground_truth([TRUTH[0]], categories=((1, "a"),)), rows(found(1, 1, (10, 10, 50, 40), 0.9)))
    assert result.metrics["AP"] == pytest.approx(0.7)
    assert result.metrics["AP75"] == pytest.approx(1)


def test_no_detections_and_missing_sizes():
    result = result_of(ground_truth([TRUTH[2]], categories=((1, "a"),)), rows())
    assert result.metrics["AP"] == 0
    assert result.metrics["APs"] == -1


def test_the_log_has_the_twelve_lines_under_the_heading():
    result = result_of(ground_truth(TRUTH), rows(*(found(*box, 0.9) for box in TRUTH)))
    lines = result.summary.rstrip("\n").splitlines()
    assert lines[0] == HEADING
    assert len(lines) == 13
    assert list(result.metrics)[:12] == NAMES
    assert lines[1] == " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 1.000"
    assert lines[12].startswith(" Average Recall     (AR) @[ IoU=0.50:0.95 | area= large | maxDets=100 ]")


def crowded_scene(rng):
    """Boxes of three classes, one without truth and one without detections; crowds, equal scores, over 100 of one."""
    categories = ((1, "a"), (5, "b"), (7, "c"), (9, "d"))
    truth = ground_truth(
        [
            (int(image), int(category), tuple(rng.uniform(0, 90, 2)) + tuple(rng.uniform(5, 100, 2)))
            for image, category in zip(rng.integers(1, 9, 80), rng.choice([1, 5, 9], 80), strict=True)
        ],
        categories,
    )
    for annotation in truth["annotations"][::9]:
        annotation["iscrowd"] = 1
    near = rows(
        *(
            found(box["image_id"], box["category_id"], np.array(box["bbox"]) + rng.normal(0, 4, 4), score)
            for box in truth["annotations"] * 3
            for score in (round(float(rng.uniform()), 1),)
            if box["category_id"] != 9
        )
    )
    many = rows(
        *(found(2, 1, (*rng.uniform(0, 90, 2), *rng.uniform(5, 100, 2)), rng.uniform(0, 0.5)) for _ in range(300))
    )
    return truth, np.concatenate([near, many, rows(found(3, 7, (1, 1, 20, 20), 0.5))])


def test_equals_pycocotools():
    truth, detections = crowded_scene(np.random.default_rng(5))
    result = result_of(truth, detections)
    printed = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()):
        whole = COCO()
        whole.dataset = {"info": {}, **truth}
        whole.createIndex()
        evaluation = COCOeval(whole, whole.loadRes(detections), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    with contextlib.redirect_stdout(printed):
        evaluation.summarize()
    assert result.summary == f"{HEADING}\n{printed.getvalue()}"
    assert [result.metrics[name] for name in NAMES] == evaluation.stats.tolist()
    assert 0.05 < result.metrics["AP"] < 0.95
    # What the report shows: precision by IoU threshold, recall and class, for all sizes and 100 detections an image.
    precision = evaluation.eval["precision"][:, :, :, 0, 2]
    for index, name in enumerate("abcd"):
        of_class, at_50 = precision[:, :, index], precision[0, :, index]
        shown = result.metrics["per_class"][name]
        if name == "c":
            assert shown == {"AP": -1, "AP50": -1, "boxes": 0}
            assert name not in result.metrics["precision_recall"]["classes"]
            continue
        assert shown["AP"] == pytest.approx(of_class.mean(), abs=1e-12)
        assert shown["AP50"] == pytest.approx(at_50.mean(), abs=1e-12)
        boxes = [box for box in truth["annotations"] if box["category_id"] == (1, 5, 7, 9)[index]]
        assert shown["boxes"] == sum(not box["iscrowd"] for box in boxes) < len(boxes)
        np.testing.assert_allclose(result.metrics["precision_recall"]["classes"][name], at_50, atol=5e-5)
    for label, threshold in (("0.50", 0), ("0.75", 5)):
        curve = result.metrics["precision_recall"]["mean"][label]
        np.testing.assert_allclose(curve, precision[threshold][:, [0, 1, 3]].mean(axis=1), atol=5e-5)


def test_precision_and_recall_by_hand():
    # Of two boxes of class a one is found, overlapping by 0.8, after a false detection: precision 1/2 up to recall 1/2.
    boxes = [(1, 1, (10, 10, 50, 50)), (2, 1, (0, 0, 100, 100)), (1, 7, (100, 100, 20, 20))]
    truth = ground_truth(boxes, categories=((1, "a"), (7, "b"), (8, "none")))
    detections = rows(
        found(1, 1, (150, 150, 20, 20), 0.9), found(1, 1, (10, 10, 50, 40), 0.8), found(1, 7, (100, 100, 20, 13), 0.3)
    )
    metrics = result_of(truth, detections).metrics
    curves = metrics["precision_recall"]
    assert curves["recall"] == [index / 100 for index in range(101)]
    # Class b is found with an overlap of 13 / 20, not enough for 0.75.
    assert curves["classes"] == {"a": [0.5] * 51 + [0] * 50, "b": [1] * 101}
    assert curves["mean"] == {"0.50": [0.75] * 51 + [0.5] * 50, "0.75": [0.25] * 51 + [0] * 50}
    # a: 51 of 101 recalls at precision 1/2, at the 7 thresholds up to 0.80; b: at the 4 thresholds up to 0.65.
    assert list(metrics["per_class"]) == ["a", "b", "none"]
    assert metrics["per_class"]["a"] == pytest.approx({"AP": 0.7 * 51 / 202, "AP50": 51 / 202, "boxes": 2})
    assert metrics["per_class"]["b"] == pytest.approx({"AP": 0.4, "AP50": 1, "boxes": 1})
    assert metrics["per_class"]["none"] == {"AP": -1, "AP50": -1, "boxes": 0}


def test_curves_are_rounded_to_four_digits():
    boxes = [(1, 1, (10, 10, 50, 50))]
    detections = rows(
        *(found(1, 1, (100, 10 + index, 20, 20), 0.9) for index in (0, 50)), found(1, 1, (10, 10, 50, 50), 0.5)
    )
    metrics = result_of(ground_truth(boxes, categories=((1, "a"),)), detections).metrics
    assert metrics["precision_recall"]["classes"]["a"] == [0.3333] * 101


def test_no_truth_at_all_has_no_curves():
    metrics = result_of(ground_truth([]), rows(found(1, 1, (0, 0, 9, 9), 0.5))).metrics
    assert metrics["AP"] == -1
    assert metrics["precision_recall"]["classes"] == {}
    assert metrics["precision_recall"]["mean"] == {"0.50": [], "0.75": []}


def test_sizes_follow_the_annotated_area_and_crowds_are_neither_found_nor_missed():
    # A box of 50 x 50 px whose object covers 400 px is a small object.
    truth = ground_truth([(1, 1, (10, 10, 50, 50)), (1, 1, (100, 100, 90, 90))], categories=((1, "a"),))
    truth["annotations"][0]["area"] = 400
    truth["annotations"][1]["iscrowd"] = 1
    detections = rows(
        found(1, 1, (110, 110, 30, 30), 0.9), found(1, 1, (150, 110, 30, 30), 0.8), found(1, 1, (10, 10, 50, 50), 0.7)
    )
    metrics = result_of(truth, detections).metrics
    assert (metrics["AP"], metrics["APs"], metrics["APm"]) == (pytest.approx(1), pytest.approx(1), -1)
    assert metrics["per_class"]["a"]["boxes"] == 1
    # Left out, iscrowd is 0: then the second box is missed and two detections are wrong.
    for box in truth["annotations"]:
        del box["iscrowd"]
    metrics = result_of(truth, detections).metrics
    assert metrics["AP"] == pytest.approx(51 / 101 / 3)
