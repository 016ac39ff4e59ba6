"""Detections of the C++ program equal Python's, on raw maps that both know."""

import json
from pathlib import Path

import numpy as np
import pytest
from native_helpers import (
    ANCHORS,
    CATEGORY_IDS,
    MEAN_RGB,
    SIZE,
    STD_RGB,
    Program,
    assert_ran,
    change_json,
    random_raw_maps,
    read_raw_maps,
    write_bins,
    write_fake_model,
)

from yolov3.evaluation.coco_results import CocoIds, coco_results, coco_rows
from yolov3.evaluation.postprocess import PostprocessSettings, detect
from yolov3.network.preprocess import Placement

PLACEMENTS = (
    {"width": 640, "height": 480, "offset_xy": [0, 0], "share_xy": [1, 1]},
    {"width": 500, "height": 375, "offset_xy": [0, 0.015625], "share_xy": [1, 0.96875]},
    {"width": 61, "height": 640, "offset_xy": [7 / 16, 0], "share_xy": [1 / 16, 1]},
)


def _images(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(5)
    return [random.normal(0, 0.3, (3, *SIZE)).astype(np.float32) for _ in range(count)]


def _known_maps(raw_maps: tuple[np.ndarray, ...], image: np.ndarray) -> tuple[np.ndarray, ...]:
    flat = image.ravel()
    return tuple(raw + flat[0] - flat[-1] for raw in raw_maps)


def assert_text_of_python(path: Path) -> None:
    """One detection a line, its numbers rounded as `coco_rows` rounds and printed as Python's json prints them."""
    first, *lines, last = path.read_text(encoding="utf-8").splitlines()
    assert (first, last) == ("[", "]")
    for line in lines:
        detection = json.loads(line.removesuffix(","))
        detection["bbox"] = np.round(detection["bbox"], 2).tolist()
        detection["score"] = float(np.round(detection["score"], 5))
        assert line.removesuffix(",") == json.dumps(detection, separators=(",", ":"))


@pytest.mark.parametrize(
    ("threshold", "nms", "most", "multi_label"),
    [(0.001, 0.5, 0, 0), (0.3, 0.5, 0, 0), (0.001, 0.3, 10, 0), (0, 0.99, 0, 0), (0.001, 0.5, 0, 1), (0.3, 0.5, 0, 1)],
)
def test_detections_equal_python(
    fake: Program, tmp_path: Path, threshold: float, nms: float, most: int, multi_label: int
) -> None:
    raw_maps, images = random_raw_maps(1), _images(3)
    model = write_fake_model(tmp_path / "model.om", raw_maps)
    bins = write_bins(tmp_path / "bins", images, placements=PLACEMENTS)
    output = tmp_path / "out"
    result = fake.run(
        *("--engine", "acl", "--model", model, "--input", bins, "--output", output, "--score_threshold", threshold),
        *("--nms_threshold", nms, "--max_detections", most, "--multi_label", multi_label),
    )
    found = assert_ran(result, output)
    wanted = []
    for index, image in enumerate(images):
        placement = Placement(**{key: _tuple(value) for key, value in PLACEMENTS[index].items()})
        settings = PostprocessSettings(threshold, nms, most, bool(multi_label))
        maps = _known_maps(raw_maps, image)
        detections = detect(maps, SIZE, ANCHORS, placement, settings)
        wanted += coco_results(coco_rows(detections, index), CocoIds((1, 2, 3), CATEGORY_IDS))
    assert found == json.loads(json.dumps(wanted)) != []
    assert_text_of_python(output / "detections.json")
    per_image = [[d["score"] for d in found if d["image_id"] == image_id] for image_id in (1, 2, 3)]
    assert all(scores == sorted(scores, reverse=True) for scores in per_image)


@pytest.mark.parametrize("multi_label", [0, 1])
@pytest.mark.parametrize("threshold", [0.001, 0.05, 0.1, 0.3, 0.7])
def test_logits_at_the_threshold_count_as_in_python(
    fake: Program, tmp_path: Path, threshold: float, multi_label: int
) -> None:
    """Confidences within a few float32 steps of the threshold, with classes that are certain."""
    raw_maps = random_raw_maps(6)
    logit = np.float32(np.log(threshold / (1 - threshold)))
    for raw in raw_maps:
        per_anchor = raw.reshape(3, -1, *raw.shape[1:])
        steps = np.random.default_rng(7).integers(-3, 4, per_anchor[:, 4].shape)
        per_anchor[:, 4] = logit + steps * np.spacing(logit)
        per_anchor[:, 5:] = 40
    model = write_fake_model(tmp_path / "model.om", raw_maps)
    bins = write_bins(tmp_path / "bins", [np.zeros((3, *SIZE), np.float32)])
    words = ("--engine=acl", "--model", model, "--input", bins, "--output", tmp_path / "out", "--nms_threshold", 1)
    result = fake.run(*words, "--score_threshold", threshold, "--multi_label", multi_label)
    found = assert_ran(result, tmp_path / "out")
    settings = PostprocessSettings(threshold, 1, 0, bool(multi_label))
    wanted = detect(raw_maps, SIZE, ANCHORS, Placement(640, 480), settings)
    assert len(found) == len(wanted)
    assert 0 < len(found) < sum(raw[:3].size for raw in raw_maps) * (len(CATEGORY_IDS) if multi_label else 1)


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


@pytest.mark.parametrize("batch", [1, 2, 4])
@pytest.mark.parametrize("model_layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("bins_layout", ["NCHW", "NHWC"])
def test_raw_maps_in_any_layout_and_batch(
    fake: Program, tmp_path: Path, batch: int, model_layout: str, bins_layout: str
) -> None:
    raw_maps, images = random_raw_maps(2), _images(5)
    model = write_fake_model(tmp_path / "model.om", raw_maps, batch, layout=model_layout)
    bins = write_bins(tmp_path / "bins", images, bins_layout)
    output = tmp_path / "out"
    assert_ran(fake.run("--engine=acl", "--model", model, "--input", bins, "--output", output), output)
    for index, image in enumerate(images):
        wanted = _known_maps(raw_maps, image if model_layout == "NCHW" else image.transpose(1, 2, 0))
        found = read_raw_maps(output, f"COCO_val2014_{index + 1:012d}", raw_maps)
        assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))
    benchmark = json.loads((output / "benchmark.json").read_text())
    assert (benchmark["images"], benchmark["batch"]) == (5, batch)
    assert benchmark["network_ms"]["calls"] == -(-5 // batch)


@pytest.mark.parametrize(("mean_rgb", "std_rgb"), [(MEAN_RGB, STD_RGB), ([0, 0, 0], [1, 1, 1])])
def test_uint8_bins_are_normalised_as_in_python(
    fake: Program, tmp_path: Path, mean_rgb: list[float], std_rgb: list[float]
) -> None:
    raw_maps = random_raw_maps(3)
    pixels = np.random.default_rng(0).integers(0, 256, (3, *SIZE)).astype(np.uint8)
    model = write_fake_model(tmp_path / "model.om", raw_maps)
    bins = write_bins(tmp_path / "bins", [pixels], "NHWC")
    for described in (bins / "index.json", Path(f"{model}.json")):
        change_json(described, lambda value: value.update(mean_rgb=mean_rgb, std_rgb=std_rgb))
    output = tmp_path / "out"
    assert_ran(fake.run("--engine=acl", "--model", model, "--input", bins, "--output", output), output)
    mean, std = np.array(mean_rgb, np.float32) * 255, np.array(std_rgb, np.float32) * 255
    normal = (pixels - mean[:, None, None]) * (np.float32(1) / std)[:, None, None]
    wanted = _known_maps(raw_maps, normal)
    found = read_raw_maps(output, "COCO_val2014_000000000001", raw_maps)
    assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_a_model_that_takes_pixels_gets_pixels(fake: Program, tmp_path: Path) -> None:
    raw_maps = random_raw_maps(3)
    pixels = np.random.default_rng(0).integers(0, 256, (3, *SIZE)).astype(np.uint8)
    model = write_fake_model(tmp_path / "model.om", raw_maps, input_type="uint8", layout="NHWC")
    output = tmp_path / "out"
    bins = write_bins(tmp_path / "bins", [pixels])
    assert_ran(fake.run("--engine=acl", "--model", model, "--input", bins, "--output", output), output)
    difference = np.float32(pixels[0, 0, 0]) - np.float32(pixels[2, -1, -1])
    found = read_raw_maps(output, "COCO_val2014_000000000001", raw_maps)
    assert all(np.allclose(a, raw + difference, atol=1e-4) for a, raw in zip(found, raw_maps, strict=True))


def test_half_precision_outputs(fake: Program, tmp_path: Path) -> None:
    raw_maps, images = random_raw_maps(4), _images(1)
    model = write_fake_model(tmp_path / "model.om", raw_maps, output_type="float16")
    bins = write_bins(tmp_path / "bins", images)
    output = tmp_path / "out"
    assert_ran(fake.run("--engine=acl", "--model", model, "--input", bins, "--output", output), output)
    wanted = [raw.astype(np.float16).astype(np.float32) for raw in _known_maps(raw_maps, images[0])]
    found = read_raw_maps(output, "COCO_val2014_000000000001", raw_maps)
    assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("arguments", [(), ("--raw", 0)])
def test_raw_maps_are_written_on_request_only(fake: Program, tmp_path: Path, arguments: tuple) -> None:
    model = write_fake_model(tmp_path / "model.om", random_raw_maps(4))
    bins = write_bins(tmp_path / "bins", _images(2))
    output = tmp_path / "out"
    words = ("--engine=acl", "--model", model, "--input", bins, "--output", output, *arguments)
    assert assert_ran(Program(fake.path).run(*words), output)
    assert sorted(path.name for path in output.iterdir()) == ["benchmark.json", "detections.json"]
