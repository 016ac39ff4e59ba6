"""The picture of the first training batches."""

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
from report_inputs import write_manifest

from yolov3.drawing.batches import GAP_PIXELS, HEADING_PIXELS, draw_batches, first_batches, preview_jpeg
from yolov3.drawing.labels import colour_of
from yolov3.training.batches import Batch, BatchSource
from yolov3.training.sampler import SamplerSettings
from yolov3.training.targets import assign_targets

ANCHORS = ((10, 13), (16, 30), (33, 23), (30, 61), (62, 45), (59, 119), (116, 90), (156, 198), (373, 326))
SIZE = (96, 128)
SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "preview_batches.py"


def batch_of(count, assignment_iou=1.0, size=SIZE):
    """Black images with a box of 60 x 40 px around (64, 48), which is a corner of four cells at any stride."""
    targets = [
        assign_targets(np.array([[34, 28, 94, 68]], np.float32), np.array([1]), size, ANCHORS, 3, assignment_iou)
        for _ in range(count)
    ]
    stacked = tuple(np.stack([getattr(target, name) for target in targets]) for name in vars(targets[0]))
    return Batch(size, np.zeros((count, *size, 3), np.uint8), stacked)


def drawn(*batches):
    return draw_batches(list(batches), ANCHORS, ("cat", "dog"))


def is_colour(pixel, colour):
    return np.abs(np.array(pixel, int) - [int(colour[at : at + 2], 16) for at in (1, 3, 5)]).max() < 30


def size_of(rows, columns, height=4 * SIZE[0], width=4 * SIZE[1]):
    """Height and width of a sheet of images of one size, each below a heading."""
    return rows * (HEADING_PIXELS + height + GAP_PIXELS) - GAP_PIXELS, columns * (width + GAP_PIXELS) - GAP_PIXELS


@pytest.mark.parametrize(
    ("count", "batches", "rows", "columns"), [(1, 1, 1, 1), (4, 3, 3, 4), (3, 3, 3, 3), (2, 4, 2, 4), (1, 8, 2, 4)]
)
def test_batches_lie_in_rows_and_small_ones_share_them(count, batches, rows, columns):
    sheet = drawn(*[batch_of(count)] * batches)
    assert sheet.shape[:2] == size_of(rows, columns)
    assert sheet.dtype == np.uint8


def test_batches_of_two_input_sizes_lie_below_each_other():
    # 128 px are enlarged 4 times, 192 px 3 times.
    sheet = drawn(batch_of(4), batch_of(4, size=(192, 192)))
    (first, _), (second, width) = size_of(1, 4), size_of(1, 4, 576, 576)
    assert sheet.shape[:2] == (first + GAP_PIXELS + second, width)
    assert (sheet[:first, size_of(1, 4)[1] :] == 255).all() and not sheet[-10:, -10:].any()


def test_each_batch_is_marked_with_its_step():
    sheet = drawn(*[batch_of(1)] * 12)
    height, width = (side + GAP_PIXELS for side in size_of(1, 1))
    headings = [
        sheet[row * height : row * height + HEADING_PIXELS, column * width : (column + 1) * width - GAP_PIXELS]
        for row in range(3)
        for column in range(4)
    ]
    widths = [np.flatnonzero((heading < 128).any(axis=(0, 2)))[[0, -1]] for heading in headings]
    assert all(left < 10 and right > 60 for left, right in widths)
    # Two digits are wider than one, and all digits differ.
    assert min(right for _, right in widths[10:]) > max(right for _, right in widths[:10]) + 5
    assert len({heading.tobytes() for heading in headings}) == 12


class Recorded(BatchSource):
    """Records what is built, and builds black images."""

    built = None

    def build(self, step, epoch, indices, repeats, input_size):
        self.built.append((step, epoch, self.usable[indices].tolist(), repeats.tolist(), input_size))
        return batch_of(len(indices))


@pytest.fixture
def source(monkeypatch):
    def of(batch_size, images=10):
        monkeypatch.setattr(Recorded, "built", [])
        return Recorded(None, np.arange(images), SamplerSettings(3, batch_size, 0, 1, 96, 10), None, ANCHORS, 3)

    return of


@pytest.mark.parametrize(
    ("batch_size", "batches", "images"), [(1, 8, 8), (2, 4, 8), (3, 3, 9), (4, 3, 12), (32, 3, 12)]
)
def test_at_least_three_batches_and_eight_images_are_shown(source, batch_size, batches, images):
    preview = source(batch_size)
    found = first_batches(preview)
    assert len(found) == batches and sum(len(batch.images) for batch in found) == images
    # They are the first images of the first steps of the training.
    sampler = preview.new_sampler()
    for number, (step, epoch, indices, repeats, input_size) in enumerate(preview.built):
        expected = sampler.batch(number)
        assert (step, epoch, input_size) == (number, expected[0], (96, 96))
        assert indices == expected[1][:4].tolist() and repeats == expected[2][:4].tolist()


def test_the_picture_is_no_wider_than_asked_for(source):
    for max_width, size in ((None, size_of(3, 4)), (1000, (round(size_of(3, 4)[0] * 1000 / size_of(3, 4)[1]), 1000))):
        encoded = np.frombuffer(preview_jpeg(source(4), ("cat", "dog"), max_width), np.uint8)
        assert cv2.imdecode(encoded, cv2.IMREAD_COLOR).shape[:2] == size


def test_box_and_anchor_lie_where_they_are():
    """Enlarged 4 times; anchor 62 x 45 of stride 16 lies around the middle of the cell right below, at (72, 56)."""
    sheet = drawn(batch_of(1))[HEADING_PIXELS:]
    for x, y in ((34, 60), (94, 40), (80, 28), (80, 68)):
        around = sheet[4 * y - 2 : 4 * y + 3, 4 * x - 2 : 4 * x + 3].reshape(-1, 3)
        assert any(is_colour(pixel, colour_of(1)) for pixel in around), (x, y)
    for x, y in ((41, 70), (103, 50), (100, 33.5), (60, 78.5)):
        around = sheet[int(4 * y) - 2 : int(4 * y) + 3, 4 * x - 2 : 4 * x + 3].reshape(-1, 3)
        assert any(pixel.min() > 180 for pixel in around), (x, y)
    assert not sheet[4 * 90 :, :40].any()


def test_each_anchor_of_a_box_is_drawn():
    one, several = (drawn(batch_of(1, iou))[HEADING_PIXELS:] for iou in (1.0, 0.3))
    assert np.count_nonzero(several.min(axis=2) > 180) > 2 * np.count_nonzero(one.min(axis=2) > 180)


def test_the_stage_writes_a_picture(tmp_path):
    spec = importlib.util.spec_from_file_location("preview", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    output, of_two_ranks = tmp_path / "a" / "batches.jpg", tmp_path / "of_two_ranks.jpg"
    words = ["--manifest", str(write_manifest(tmp_path)), "--training_shape", "64", "--per_batch_size", "5"]
    assert module.main([*words, "--output", str(output)]) == 0
    assert cv2.imread(str(output)).shape[:2] == size_of(3, 4, 512, 512)
    # Rank 0 of two trains every other image.
    assert module.main([*words, "--group_size", "2", "--output", str(of_two_ranks)]) == 0
    assert of_two_ranks.read_bytes() != output.read_bytes()
