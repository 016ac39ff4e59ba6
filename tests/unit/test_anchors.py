"""Clustered anchors against sizes whose clusters are known, and the stage that writes them."""

import json
from pathlib import Path

import numpy as np
import pytest
from exported_samples import run_script
from small_coco import write_small_coco

from yolov3.config.schema import section_schema
from yolov3.data.annotations import CocoSplit, load_split
from yolov3.data.checks import CheckSettings, check_dataset
from yolov3.data.manifest import Manifest
from yolov3.errors import InputError
from yolov3.network.options import network_settings_from, read_anchors
from yolov3.training.anchors import best_matches, cluster_anchors, fit_of, network_box_sizes, strides_of

PUBLISHED = tuple(map(tuple, section_schema("network")["anchor_scales"]["default"]))
# Three for each stride, in the order of their areas.
NINE = np.array([(10, 12), (15, 40), (50, 18), (44, 44), (30, 110), (100, 40), (90, 100), (200, 90), (160, 260)], float)


def split_of_boxes(sizes_wh, boxes, crowds=()):
    """A split of images of the given sizes; `boxes` holds (image index, width, height)."""
    image, width, height = np.array(boxes, float).T
    return CocoSplit(
        image_dir=Path("somewhere"),
        image_ids=tuple(range(len(sizes_wh))),
        file_names=tuple(str(number) for number in range(len(sizes_wh))),
        sizes_wh=np.array(sizes_wh, np.int32),
        first_box=np.searchsorted(image, np.arange(len(sizes_wh) + 1)),
        boxes_xyxy=np.stack([np.full_like(width, 3), np.full_like(width, 5), width + 3, height + 5], 1).astype(
            np.float32
        ),
        labels=np.zeros(len(boxes), np.int32),
        is_crowd=np.isin(np.arange(len(boxes)), crowds),
    )


def test_boxes_take_the_size_that_evaluation_shows():
    split = split_of_boxes([(200, 100), (50, 100)], [(0, 40, 20), (0, 60, 60), (1, 10, 30)], crowds=(1,))
    # 200 x 100 goes to 100 x 100: widths halve; 50 x 100: widths double.
    assert network_box_sizes(split, (100, 100), letterbox=False).tolist() == [[20, 20], [20, 30]]
    # Letterboxed, the first image is halved, the second stays as it is.
    assert network_box_sizes(split, (100, 100), letterbox=True).tolist() == [[20, 10], [10, 30]]


def test_boxes_too_small_to_train_on_are_left_out():
    split = split_of_boxes([(100, 100)], [(0, 1.5, 40), (0, 40, 30)])
    assert network_box_sizes(split, (50, 50), letterbox=False).tolist() == [[20, 15]]
    with pytest.raises(InputError, match="increase testing_shape"):
        network_box_sizes(split, (1, 1), letterbox=False)


def test_shape_iou_of_the_best_anchor_by_hand():
    # 10x10 with 10x20: 100 of 200. With 5x5: 25 of 100.
    nearest, iou = best_matches(np.array([[10.0, 10.0], [4.0, 5.0]]), np.array([[5.0, 5.0], [10.0, 20.0]]))
    assert nearest.tolist() == [1, 0]
    assert iou.tolist() == [0.5, 0.8]
    fit = fit_of(((5.0, 5.0), (10.0, 20.0)), np.array([[10.0, 10.0], [4.0, 5.0], [1.0, 1.0]]))
    assert fit.mean_best_iou == pytest.approx((0.5 + 0.8 + 0.04) / 3)
    assert fit.recall == pytest.approx(2 / 3)


@pytest.mark.parametrize("seed", range(5))
def test_three_obvious_clusters_per_stride_are_found_and_sorted_by_area(seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(20, 400, 9)
    sizes = np.repeat(NINE, counts, axis=0) * rng.uniform(0.97, 1.03, (counts.sum(), 2))
    found = np.array(cluster_anchors(rng.permutation(sizes), seed))
    assert np.abs(found / NINE - 1).max() < 0.02


def test_objects_of_one_size_are_learned_by_one_stride():
    rng = np.random.default_rng(3)
    sizes = np.exp(rng.normal(np.log(25), 0.1, (2000, 2)))
    found = np.array(cluster_anchors(sizes, 0))
    nearest, _ = best_matches(sizes, found)
    assert set(nearest.tolist()) == {0, 1, 2}
    # The others have squares in the range of their stride: 2.5, 3.25 and 4 cells.
    assert found[3:].tolist() == [[side, side] for side in (40, 52, 64, 80, 104, 128)]


@pytest.mark.parametrize(
    ("size", "stride_index"), [((36, 36), 0), ((18, 73), 1), ((18, 72), 0), ((72, 72), 1), ((72.1, 72), 2)]
)
def test_the_stride_of_a_box_follows_from_its_area(size, stride_index):
    # Limits of 4.5 cells: 36 pixels for stride 8, 72 for stride 16.
    assert strides_of(np.array([size], float)).tolist() == [stride_index]


def test_few_sizes():
    sizes = np.repeat([[10.0, 20.0], [80.0, 70.0], [40.0, 50.0]], [30, 5, 1], axis=0)
    found = cluster_anchors(sizes, seed=0)
    assert found[:3] == ((10, 20), (26, 26), (32, 32))
    assert found[3:6] == ((40, 50), (52, 52), (64, 64))
    assert found[6:] == ((80, 70), (104, 104), (128, 128))
    assert fit_of(found, sizes).mean_best_iou == 1


def test_better_than_the_published_anchors_and_than_drawn_boxes_and_the_same_again():
    rng = np.random.default_rng(7)
    sizes = np.exp(rng.normal([3.2, 4.1], [0.8, 0.5], (30_000, 2))).clip(1, 416)
    found = fit_of(cluster_anchors(sizes, seed=3), sizes)
    assert found.mean_best_iou > fit_of(PUBLISHED, sizes).mean_best_iou + 0.05
    drawn = [fit_of(tuple(map(tuple, rng.choice(sizes, 9))), sizes).mean_best_iou for _ in range(20)]
    assert found.mean_best_iou > max(drawn)
    assert cluster_anchors(sizes, seed=3) == found.anchors
    areas = [width * height for width, height in found.anchors]
    assert areas == sorted(areas)


def test_stage_writes_what_training_reads(tmp_path, capfd):
    place = write_small_coco(tmp_path / "mein ß", images=6, boxes_per_image=8)
    manifest = tmp_path / "manifest.json"
    check_dataset("custom", {"train": place, "val": place}, CheckSettings("decode", False)).write(manifest)
    output = tmp_path / "a" / "anchors ü.json"
    assert run_script("cluster_anchors", "--manifest", manifest, "--testing_shape", 96, "--output", output) == 0
    said = capfd.readouterr().err
    written = json.loads(output.read_text(encoding="utf-8"))
    assert written["boxes"] == 48
    sizes = network_box_sizes(load_split(Manifest.read(manifest), "train"), (96, 96), letterbox=False)
    assert written["fits"]["clustered"]["mean_best_iou"] == fit_of(read_anchors(output), sizes).mean_best_iou
    assert written["fits"]["clustered"]["mean_best_iou"] > written["fits"]["published"]["mean_best_iou"]
    # What is printed can be pasted in a config.
    assert f"network:\n  anchor_scales: {json.dumps(written['anchors'])}" in said
    assert "recall at IoU 0.5" in said


def test_auto_without_a_file_is_one_sentence(tmp_path):
    class Arguments:
        anchor_scales = "auto"

    with pytest.raises(InputError, match="--anchors_file"):
        network_settings_from(Arguments(), ())
    other = tmp_path / "other.json"
    other.write_text("{}")
    with pytest.raises(InputError, match="has no anchors"):
        read_anchors(str(other))
