import json
import tracemalloc

import numpy as np
import pytest
from small_coco import write_small_coco

from yolov3.boxes import Detections
from yolov3.data.annotations import load_split
from yolov3.data.checks import CheckSettings, check_dataset
from yolov3.errors import InputError
from yolov3.evaluation.coco_results import CocoIds, coco_results, coco_rows, detections_of, read_results, write_results
from yolov3.evaluation.evaluate import EvaluationSettings, detect_split
from yolov3.evaluation.postprocess import PostprocessSettings
from yolov3.network.settings import NetworkSettings

ANCHORS = ((4, 4), (6, 6), (8, 8), (12, 12), (16, 16), (20, 20), (28, 28), (36, 36), (48, 48))
NETWORK = NetworkSettings((8,) * 5, (1,) * 5, ANCHORS, ("a", "b"))


class OneBoxNetwork:
    """Answers one box in the middle cell of stride 32 for every image, and keeps what it was given."""

    def __init__(self):
        self.seen = []

    def __call__(self, images):
        self.seen.append(images)
        count, size = len(images), images.shape[2]
        maps = [np.zeros((count, 3 * 7, size // s, size // s), np.float32) for s in (8, 16, 32)]
        for raw in maps:
            raw.reshape(count, 3, 7, *raw.shape[2:])[:, :, 4] = -30
        maps[2].reshape(count, 3, 7, 3, 3)[:, 1, :, 1, 1] = [0, 0, 0, 0, 5, -5, 5]
        return tuple(maps)


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    place = write_small_coco(tmp_path_factory.mktemp("data"), images=5)
    manifest = check_dataset("custom", {"train": place, "val": place}, CheckSettings("decode", False))
    return load_split(manifest, "val")


def evaluated(split, batch_size, letterbox=False):
    network = OneBoxNetwork()
    settings = EvaluationSettings(96, batch_size, letterbox, PostprocessSettings(0.001, 0.5, 0))
    counts = []
    return detect_split(network, NETWORK, split, settings, counts.append), network, counts


@pytest.mark.parametrize("batch_size", [1, 2, 3, 8])
def test_all_images_count_and_the_last_batch_keeps_its_shape(split, batch_size):
    result, network, counts = evaluated(split, batch_size)
    assert result.rows[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert {images.shape for images in network.seen} == {(batch_size, 3, 96, 96)}
    assert sum(counts) == 5


@pytest.mark.parametrize("group", [2, 3, 5])
def test_shares_have_the_batches_of_the_whole(split, group):
    settings = EvaluationSettings(96, 2, False, PostprocessSettings(0.001, 0.5, 0))
    _, whole, _ = evaluated(split, 2)
    seen, rows = {}, []
    for number in range(group):
        network = OneBoxNetwork()
        rows.append(detect_split(network, NETWORK, split, settings, share=(number, group)).rows)
        seen |= {number + group * index: images for index, images in enumerate(network.seen)}
    assert len(seen) == len(whole.seen) == 3
    assert all(np.array_equal(seen[index], images) for index, images in enumerate(whole.seen))
    assert sorted(np.concatenate(rows)[:, 0].tolist()) == [0, 1, 2, 3, 4]


def test_boxes_are_scaled_back_by_the_original_size(split):
    result, _, _ = evaluated(split, 2)
    for found, (width, height) in zip(
        coco_results(result.rows, CocoIds(split.image_ids, (3, 9))), split.sizes_wh, strict=True
    ):
        # The middle cell of 3 x 3 at stride 32, anchor 36 px of 96.
        x, y, w, h = (0.5 - 18 / 96) * width, (0.5 - 18 / 96) * height, 36 / 96 * width, 36 / 96 * height
        assert found["bbox"] == pytest.approx([x, y, w, h], abs=0.01)
        assert found["category_id"] == 9


def test_a_letterboxed_box_keeps_its_aspect(split):
    result, _, _ = evaluated(split, 2, letterbox=True)
    for found in coco_results(result.rows, CocoIds(split.image_ids, (3, 9))):
        assert found["bbox"][2] == pytest.approx(found["bbox"][3], rel=0.03)


def test_only_one_batch_of_raw_maps_is_alive(split):
    import gc
    import weakref

    alive = []

    class Counting(OneBoxNetwork):
        def __call__(self, images):
            gc.collect()
            assert sum(reference() is not None for reference in alive) <= 3
            maps = super().__call__(images)
            alive.extend(weakref.ref(raw) for raw in maps)
            return maps

    settings = EvaluationSettings(96, 1, False, PostprocessSettings(0.001, 0.5, 0))
    detect_split(Counting(), NETWORK, split, settings)
    assert len(alive) == 15


# Ids as others have them: far apart, dates, hashes of 64 bits.
IDS = CocoIds((0, 7, 20230817142355121, 2**53 + 1, 2**64 - 1), (1, 2**53 + 1, 2**63 + 1))


@pytest.mark.parametrize("count", [0, 1, 25_000])
def test_results_survive_the_file(tmp_path, count):
    rng = np.random.default_rng(0)
    rows = np.round(rng.uniform(0, 500, (count, 7)), 2)
    rows[:, 0], rows[:, 6] = rng.integers(0, 5, count), rng.integers(0, 3, count)
    write_results(tmp_path / "detections.json", rows, IDS)
    results = json.loads((tmp_path / "detections.json").read_text())
    assert results == coco_results(rows, IDS)
    assert {entry["image_id"] for entry in results} <= set(IDS.image_ids)
    assert {entry["category_id"] for entry in results} <= set(IDS.category_ids)
    assert np.array_equal(read_results(tmp_path / "detections.json", IDS), rows)


@pytest.mark.parametrize("indent", [None, 1])
def test_results_of_others_are_read(tmp_path, indent):
    found = [{"image_id": 7, "bbox": [1, 2, 3.5, 4], "score": 0.5, "category_id": 2**53 + 1}] * 2
    (tmp_path / "results.json").write_text(json.dumps(found, indent=indent))
    assert read_results(tmp_path / "results.json", IDS).tolist() == [[1, 1, 2, 3.5, 4, 0.5, 1]] * 2


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(("key", "wrong"), [("image_id", 2**53), ("category_id", 3)])
def test_results_of_another_data_set_are_refused(tmp_path, key, wrong, indent):
    found = {"image_id": 7, "bbox": [1, 2, 3.5, 4], "score": 0.5, "category_id": 1, key: wrong}
    (tmp_path / "results.json").write_text(json.dumps([found], indent=indent))
    sentence = f"results.json has {key} {wrong}, which this data set does not: run it$"
    with pytest.raises(InputError, match=sentence):
        read_results(tmp_path / "results.json", IDS, advice="run it")


@pytest.mark.parametrize("lost", [1, 3, 60])
def test_cut_off_results_are_refused(tmp_path, lost):
    rows = np.ones((20_000, 7))
    write_results(tmp_path / "detections.json", rows, IDS)
    text = (tmp_path / "detections.json").read_text().rstrip()
    (tmp_path / "detections.json").write_text(text[:-lost])
    with pytest.raises(InputError, match=r"detections file .* is not valid JSON"):
        read_results(tmp_path / "detections.json", IDS)


def test_reading_results_takes_little_more_than_the_rows(tmp_path):
    rows = np.ones((100_000, 7))
    write_results(tmp_path / "detections.json", rows, IDS)
    tracemalloc.start()
    read_results(tmp_path / "detections.json", IDS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # As dictionaries they are 60 MB, as text 10.
    assert peak < 2 * rows.nbytes + 12e6


def test_results_that_are_not_wanted_take_no_memory(tmp_path):
    rows = np.ones((100_000, 7))
    rows[::1000, 0] = 2
    write_results(tmp_path / "detections.json", rows, IDS)
    tracemalloc.start()
    wanted = read_results(tmp_path / "detections.json", IDS, lambda some: some[some[:, 0] == 2])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(wanted, rows[::1000])
    # One piece of 10,000 as lines, dictionaries and rows.
    assert peak < 12e6


def test_detections_survive_as_rows():
    boxes_xyxy = np.array([[1.5, 2, 30, 40.25], [0, 0, 5, 5]])
    detections = Detections(boxes_xyxy, np.array([0.75, 0.5]), np.array([2, 0]))
    rows = coco_rows(detections, 9)
    assert rows.tolist() == [[9, 1.5, 2, 28.5, 38.25, 0.75, 2], [9, 0, 0, 5, 5, 0.5, 0]]
    # Best first, whatever the order of the rows.
    for some in (rows, rows[::-1]):
        again = detections_of(some)
        assert len(again) == 2
        for name, values in vars(detections).items():
            assert np.array_equal(getattr(again, name), values), name
