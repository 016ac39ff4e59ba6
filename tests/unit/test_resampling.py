"""The bootstrap of AP, against pycocotools on copies of the images that are drawn."""

import contextlib
import io

import hotcoco
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scenes import random_scene

from yolov3.evaluation.coco_metrics import coco_evaluation
from yolov3.evaluation.resampling import (
    average_precisions,
    beyond_chance_together,
    class_matches,
    class_mean,
    interval,
    resampled,
)
from yolov3.evaluation.true_boxes import TrueBoxes


def scene_of_distinct_scores(seed, images=12):
    """Of equal scores of several images, the order of copies would be another one."""
    truth, rows = random_scene(seed, images)
    rows[:, 5] = np.random.default_rng(seed).permutation(len(rows)) / len(rows)
    return truth, rows


def by_pycocotools(truth, rows, times):
    """AP, AP50 and AP75 of each class on a data set with as many copies of each image as drawn."""
    drawn = np.repeat(np.arange(len(times)), times)
    images = [{**truth["images"][index], "id": place + 1} for place, index in enumerate(drawn)]
    annotations, results = [], []
    for place, index in enumerate(drawn):
        of_image = [box for box in truth["annotations"] if box["image_id"] == truth["images"][index]["id"]]
        annotations += [
            {**box, "image_id": place + 1, "id": len(annotations) + number} for number, box in enumerate(of_image, 1)
        ]
        for _, *bbox, score, label in rows[rows[:, 0] == index].tolist():
            category = truth["categories"][int(label)]["id"]
            results.append({"image_id": place + 1, "category_id": category, "bbox": bbox, "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        whole = COCO()
        whole.dataset = {**truth, "images": images, "annotations": annotations}
        whole.createIndex()
        evaluation = COCOeval(whole, whole.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    values = np.stack([precision.mean((0, 1)), precision[0].mean(0), precision[5].mean(0)], axis=1)
    return np.where(values < 0, np.nan, values)


@pytest.mark.parametrize("seed", range(4))
def test_drawing_an_image_twice_is_the_same_as_a_copy_of_it(seed):
    truth, rows = scene_of_distinct_scores(seed)
    times = np.random.default_rng(seed).multinomial(12, [1 / 12] * 12)
    assert times.max() > 1 and times.min() == 0
    values = average_precisions(class_matches(TrueBoxes.of(truth), rows), times)
    np.testing.assert_allclose(values, by_pycocotools(truth, rows, times), rtol=0, atol=1e-12)
    assert np.isnan(values[3]).all() and values[:3].max() > 0.1


def test_equal_scores_are_ranked_as_by_pycocotools():
    truth, rows = random_scene(2)
    once = np.ones(12, int)
    values = average_precisions(class_matches(TrueBoxes.of(truth), rows[::-1]), once)
    # Within an image the order of equal scores is that of the rows.
    np.testing.assert_allclose(values, by_pycocotools(truth, rows[::-1], once), rtol=0, atol=1e-12)


def test_values_have_no_last_bits_that_could_differ():
    truth, rows = random_scene(2)
    values = average_precisions(class_matches(TrueBoxes.of(truth), rows), np.ones(12, int))
    np.testing.assert_array_equal(values, np.round(values, 12))


def test_without_detections_and_without_boxes():
    truth, rows = random_scene(1)
    boxes = TrueBoxes.of(truth)
    none = average_precisions(class_matches(boxes, rows[:0]), np.ones(12, int))
    assert (none[:3] == 0).all() and np.isnan(none[3]).all()
    undrawn = average_precisions(class_matches(boxes, rows), np.zeros(12, int))
    assert np.isnan(undrawn).all() and np.isnan(class_mean(undrawn)).all()


def test_differences_are_those_of_hotcoco():
    truth, rows = random_scene(5, images=40)
    other = rows[np.random.default_rng(0).random(len(rows)) < 0.8]
    boxes = TrueBoxes.of(truth)
    expected = hotcoco.compare(coco_evaluation(boxes, rows), coco_evaluation(boxes, other))
    values = np.array([average_precisions(class_matches(boxes, found), np.ones(40, int)) for found in (rows, other)])
    changes = np.diff(class_mean(values), axis=0)[0]
    np.testing.assert_allclose(changes, [expected["deltas"][name] for name in ("AP", "AP50", "AP75")], atol=1e-12)
    by_class = {entry["cat_id"]: entry["delta"] for entry in expected["per_category"] if entry["ap_a"] >= 0}
    assert by_class == pytest.approx(dict(enumerate(np.diff(values[:, :3, 0], axis=0)[0])), abs=1e-12)


def test_runs_are_drawn_in_pairs_and_by_the_seed():
    truth, rows = random_scene(3)
    matches = class_matches(TrueBoxes.of(truth), rows)
    calls = []
    first, second = resampled([matches, matches], 12, 30, seed=1, on_sample=calls.append)
    np.testing.assert_array_equal(first, second)
    assert first.shape == (30, 4, 3) and calls == [1] * 30 and len(np.unique(first[:, 0, 0])) > 20
    np.testing.assert_array_equal(first, resampled([matches], 12, 30, seed=1)[0])
    assert not np.array_equal(first, resampled([matches], 12, 30, seed=2)[0], equal_nan=True)


def test_the_spread_of_samples_is_that_of_the_mean_of_images():
    """One box per image, found in every other one, without a false detection: AP50 is the share of found boxes."""
    images = 200
    truth = {
        "images": [{"id": index} for index in range(images)],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [
            {"id": index + 1, "image_id": index, "category_id": 1, "bbox": [5, 5, 30, 30], "area": 900}
            for index in range(images)
        ],
    }
    rows = np.array([[index, 5, 5, 30, 30, 0.5, 0] for index in range(0, images, 2)], float)
    samples = resampled([class_matches(TrueBoxes.of(truth), rows)], images, 1000, seed=4)[0, :, 0, 1]
    # The standard error of a share of one half; that of the drawn images without repetition is 0.79 times as large.
    assert samples.std() == pytest.approx(np.sqrt(0.25 / images), rel=0.08)
    low, high = interval(samples)
    assert (low, high) == pytest.approx((0.5 - 1.96 * 0.0354, 0.5 + 1.96 * 0.0354), abs=0.012)


def test_interval_holds_the_middle_95_percent():
    assert interval(np.array([*np.arange(1001.0), np.nan])) == pytest.approx((25, 975))


def test_classes_together_are_wrong_as_often_as_one_interval():
    rng = np.random.default_rng(0)
    errors = rng.uniform(0.01, 0.1, 30)
    wrong = 0
    for _ in range(400):
        values = rng.normal(0, errors)
        samples = values + rng.normal(0, errors, (400, 30))
        wrong += beyond_chance_together(values, samples).any()
    # 20 of 400 are expected; intervals of each class alone would be wrong in 314.
    assert 8 <= wrong <= 34


def test_a_large_difference_is_beyond_chance_and_missing_samples_are_left_out():
    rng = np.random.default_rng(1)
    values = np.array([0.5, 0.01, 0.0, -0.3])
    samples = values + rng.normal(0, 0.05, (500, 4))
    samples[:, 2] = 0.1
    samples[::3, 3] = np.nan
    assert beyond_chance_together(values, samples).tolist() == [True, False, False, True]
    assert beyond_chance_together(values[:0], samples[:, :0]).tolist() == []
