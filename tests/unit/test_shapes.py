import json

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from yolov3.data.shapes.dataset import ShapesSettings, prepare_shapes, scene
from yolov3.data.shapes.outlines import CLASS_NAMES, clip_polygon, outline, polygon_area
from yolov3.data.shapes.surface import background

SETTINGS = ShapesSettings(train_images=30, val_images=8, data_seed=5)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("mit ü und Leerzeichen")
    return data_dir, prepare_shapes(data_dir, SETTINGS)


@pytest.fixture(scope="module")
def scenes():
    return [scene(1, "train", index) for index in range(150)]


def test_layout(data):
    data_dir, places = data
    assert places["train"] == (data_dir / "shapes" / "train", data_dir / "shapes" / "annotations" / "train.json")
    assert sorted(path.name for path in data_dir.iterdir()) == ["shapes"]
    for split, count in (("train", 30), ("val", 8)):
        names = sorted(path.name for path in places[split][0].iterdir())
        assert names == [f"{index:012d}.jpg" for index in range(1, count + 1)]


def test_images_are_baseline_jpeg_of_the_annotated_size(data):
    for image_dir, file in data[1].values():
        for image in json.loads(file.read_text())["images"]:
            content = (image_dir / image["file_name"]).read_bytes()
            # Start of frame 0 is baseline, 2 would be progressive.
            assert b"\xff\xc0" in content and b"\xff\xc2" not in content
            assert cv2.imread(str(image_dir / image["file_name"])).shape == (image["height"], image["width"], 3)


def test_boxes_and_areas_agree_with_the_polygons_drawn_by_pycocotools(data):
    coco = COCO(str(data[1]["train"][1]))
    checked = 0
    for row in coco.loadAnns(coco.getAnnIds()):
        mask = coco.annToMask(row)
        image = coco.loadImgs(row["image_id"])[0]
        left, top, width, height = row["bbox"]
        assert left >= 0 and top >= 0 and left + width <= image["width"] + 0.02
        assert top + height <= image["height"] + 0.02
        assert mask.sum() == pytest.approx(row["area"], rel=0.08, abs=6)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert columns[0] == pytest.approx(left, abs=1.6) and columns[-1] + 1 == pytest.approx(left + width, abs=1.6)
        assert rows[0] == pytest.approx(top, abs=1.6) and rows[-1] + 1 == pytest.approx(top + height, abs=1.6)
        checked += 1
    assert checked > 60


def test_scenes_vary_as_promised(scenes):
    objects = [placed for _, placed_objects in scenes for placed in placed_objects]
    assert {len(placed) for _, placed in scenes} == set(range(1, 9))
    areas = np.array([polygon_area(placed.polygon) for placed in objects])
    for share in ((areas < 32**2), (areas >= 32**2) & (areas < 96**2), (areas >= 96**2)):
        assert share.mean() > 0.07
    assert np.bincount([placed.label for placed in objects], minlength=6).min() > len(objects) / 12
    sides = np.array([image.shape[:2] for image, _ in scenes])
    assert sides.min() >= 192 and sides.max() <= 352
    ratios = sides[:, 0] / sides[:, 1]
    assert ratios.min() < 0.7 and ratios.max() > 1.4
    brightness = np.array([image.mean() for image, _ in scenes])
    assert brightness.std() > 25
    small = np.array([np.ptp(placed.polygon, axis=0).max() for placed in objects])[areas < 32**2]
    assert np.percentile(small, 2) > 15


def test_objects_stand_out_from_their_background():
    """A difference picture with and without an object would need the generator: take the edge strength instead."""
    strengths = []
    for index in range(40):
        image, objects = scene(2, "train", index)
        grey = cv2.GaussianBlur(image, (0, 0), 1).astype(np.float32)
        edges = sum(cv2.Sobel(grey, cv2.CV_32F, *axis) ** 2 for axis in ((1, 0), (0, 1))).sum(axis=2)
        for placed in objects:
            line = np.zeros(image.shape[:2], np.uint8)
            cv2.polylines(line, [np.rint(placed.polygon).astype(np.int32)], True, 1, 2)
            strengths.append(np.median(edges[line > 0]) / np.median(edges))
    assert np.median(strengths) > 5


def test_an_image_depends_on_seed_split_and_index_only(data, tmp_path):
    first, again = scene(5, "train", 3), scene(5, "train", 3)
    assert np.array_equal(first[0], again[0])
    assert all(np.array_equal(a.polygon, b.polygon) for a, b in zip(first[1], again[1], strict=True))
    others = [scene(6, "train", 3), scene(5, "val", 3), scene(5, "train", 4)]
    assert all(other[0].shape != first[0].shape or not np.array_equal(other[0], first[0]) for other in others)
    places = prepare_shapes(tmp_path, ShapesSettings(train_images=4, val_images=1, data_seed=5))
    for name in ("000000000001.jpg", "000000000004.jpg"):
        assert (places["train"][0] / name).read_bytes() == (data[1]["train"][0] / name).read_bytes()


def test_train_and_val_share_no_image(data):
    contents = {split: {path.read_bytes() for path in place[0].iterdir()} for split, place in data[1].items()}
    assert not contents["train"] & contents["val"]
    assert len(contents["train"]) == 30


def test_a_standing_folder_is_reused_and_a_different_or_damaged_one_replaced(tmp_path):
    settings = ShapesSettings(train_images=2, val_images=1, data_seed=1)
    image_dir = prepare_shapes(tmp_path, settings)["train"][0]
    first = image_dir / "000000000001.jpg"
    before = first.stat().st_mtime_ns
    prepare_shapes(tmp_path, settings)
    assert first.stat().st_mtime_ns == before
    first.unlink()
    prepare_shapes(tmp_path, settings)
    assert first.exists()
    content = first.read_bytes()
    prepare_shapes(tmp_path, ShapesSettings(train_images=3, val_images=1, data_seed=2))
    assert first.read_bytes() != content and len(list(image_dir.iterdir())) == 3


def test_an_interrupted_run_leaves_the_old_data_and_the_next_one_succeeds(tmp_path, monkeypatch):
    old = ShapesSettings(train_images=2, val_images=1, data_seed=1)
    new = ShapesSettings(train_images=3, val_images=1, data_seed=2)
    prepare_shapes(tmp_path, old)
    calls = iter(range(100))

    def breaking(*arguments):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return scene(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("yolov3.data.shapes.dataset.scene", breaking)
        with pytest.raises(KeyboardInterrupt):
            prepare_shapes(tmp_path, new)
    assert len(list((tmp_path / "shapes" / "train").iterdir())) == 2
    prepare_shapes(tmp_path, new)
    assert len(list((tmp_path / "shapes" / "train").iterdir())) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shapes"]


def test_polygon_area_by_hand():
    assert polygon_area(np.array([[0.0, 0], [4, 0], [4, 3]])) == 6
    assert polygon_area(np.array([[2.0, 1], [2, 4], [6, 4], [6, 1]])) == 12
    assert polygon_area(np.zeros((2, 2))) == 0


def test_clipping_by_hand():
    diamond = np.array([[0.0, -2], [2, 0], [0, 2], [-2, 0]])
    clipped = clip_polygon(diamond, 10, 10)
    assert polygon_area(clipped) == pytest.approx(2)
    assert clipped.min() >= 0
    inside = diamond + 5
    assert np.array_equal(clip_polygon(inside, 10, 10), inside)
    corner = clip_polygon(diamond + np.array([10, 8]), 10, 8)
    assert polygon_area(corner) == pytest.approx(2)
    assert len(clip_polygon(diamond + 50, 10, 10)) == 0


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_outlines_have_the_area_of_the_mask_they_draw(name):
    polygon, hole = outline(name, np.random.default_rng(0))
    mask = np.zeros((440, 440), np.uint8)
    cv2.fillPoly(mask, [np.rint(polygon * 200 + 220).astype(np.int32)], 1)
    assert mask.sum() == pytest.approx(polygon_area(polygon) * 200**2, rel=0.02)
    assert (hole is not None) == (name == "ring")


def test_backgrounds_are_textured():
    rng = np.random.default_rng(0)
    deviations = [background(rng, 200, 220).std(axis=(0, 1)).mean() for _ in range(30)]
    assert np.median(deviations) > 8
