import dataclasses
import os
import signal

import numpy as np
import pytest
from small_coco import write_small_coco

from yolov3.data.annotations import CocoSplit, load_split
from yolov3.data.checks import CheckSettings, check_dataset
from yolov3.errors import InputError
from yolov3.training.augment import AugmentSettings
from yolov3.training.batches import BatchSource, batches
from yolov3.training.sampler import SamplerSettings

ANCHORS = ((4, 4), (6, 6), (8, 8), (12, 12), (16, 16), (20, 20), (28, 28), (36, 36), (48, 48))
AUGMENT = AugmentSettings(jitter=0.3, scale_min=0.25, scale_max=2, flip=0.5, hue=0.1, saturation=1.5, value=1.5)


def source_of(folder, batch_size=2, shape=64, max_box=4, sampler_seed=5, use_empty_images=False, **small):
    place = write_small_coco(folder, **small)
    manifest = check_dataset("custom", {"train": place, "val": place}, CheckSettings("decode", False))
    sampler = SamplerSettings(sampler_seed, batch_size, rank=0, group_size=1, training_shape=shape, resize_rate=1)
    split = load_split(manifest, "train")
    return BatchSource.of(split, sampler, AUGMENT, ANCHORS, max_box, use_empty_images=use_empty_images)


def assert_same(first, second):
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.images, other.images)
        for mine, theirs in zip(one.targets, other.targets, strict=True):
            assert np.array_equal(mine, theirs)


def test_shapes_and_types(tmp_path):
    batch = next(batches(source_of(tmp_path), 0, 1, loaders=0))
    assert batch.images.shape == (2, 64, 64, 3)
    assert batch.images.dtype == np.uint8
    boxes_xyxy, _, responsible, *_, objectness = batch.targets
    assert boxes_xyxy.shape == (2, 4, 4)
    assert objectness.shape == (2, 3 * (8 * 8 + 4 * 4 + 2 * 2))
    assert objectness.sum() == responsible.sum() >= 2


def test_worker_processes_give_the_same_batches(tmp_path):
    source = source_of(tmp_path)
    assert_same(list(batches(source, 0, 5, loaders=0)), list(batches(source, 0, 5, loaders=2)))


def test_starting_in_the_middle_gives_the_same_batches(tmp_path):
    source = source_of(tmp_path)
    assert_same(list(batches(source, 0, 6, loaders=0))[4:], list(batches(source, 4, 6, loaders=0)))


def test_an_epoch_differs_from_the_next(tmp_path):
    source = source_of(tmp_path, images=1, batch_size=1)
    first, second = batches(source, 0, 2, loaders=0)
    assert not np.array_equal(first.images, second.images)


def test_the_augmentation_follows_the_seed(tmp_path):
    # With one image only its augmentation can differ.
    sources = [source_of(tmp_path / str(seed), images=1, batch_size=1, sampler_seed=seed) for seed in (5, 6)]
    first, other = (next(batches(source, 0, 1, loaders=0)) for source in sources)
    assert not np.array_equal(first.images, other.images)


def test_more_boxes_than_max_box(tmp_path, caplog):
    source = source_of(tmp_path, images=1, boxes_per_image=60, batch_size=1, max_box=50)
    batch = next(batches(source, 0, 1, loaders=0))
    assert batch.targets[0].shape == (1, 50, 4)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [
        "10 boxes of 1 images count as background, because train.max_box is 50: set it to 60 to train all"
    ]


def test_an_image_repeated_within_a_step_is_augmented_each_time(tmp_path):
    alone = next(batches(source_of(tmp_path / "one", images=1, batch_size=1), 0, 1, loaders=0)).images
    images = next(batches(source_of(tmp_path / "three", images=1, batch_size=3), 0, 1, loaders=0)).images
    assert np.array_equal(images[:1], alone)
    assert not any(np.array_equal(images[first], images[second]) for first, second in ((0, 1), (0, 2), (1, 2)))


class KillsItsReader(CocoSplit):
    def path(self, index):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_loader_is_told(tmp_path):
    source = source_of(tmp_path)
    deadly = dataclasses.replace(source, split=KillsItsReader(**vars(source.split)))
    with pytest.raises(InputError, match=r"lower train\.loader_workers.*last checkpoint"):
        next(batches(deadly, 0, 1, loaders=1))


def test_multi_scale_gives_multiples_of_32(tmp_path):
    sizes = {batch.input_size for batch in batches(source_of(tmp_path, shape=0), 0, 6, loaders=0)}
    assert len(sizes) > 1
    assert all(320 <= side <= 608 and side % 32 == 0 for size in sizes for side in size)


def test_images_without_boxes_are_background_if_asked_for(tmp_path, caplog):
    def have_boxes(folder, **options):
        source = source_of(folder, images=1, empty_images=3, batch_size=1, **options)
        built = list(batches(source, 0, source.new_sampler().steps_per_epoch, loaders=0))
        # An empty image is shown in sizes of the augmentation like any other.
        assert all((batch.images.std(axis=(1, 2, 3)) > 0).all() for batch in built)
        return sorted(bool(batch.targets[-1].any()) for batch in built)

    assert have_boxes(tmp_path / "all", use_empty_images=True) == [False, False, False, True]
    assert "are not trained" not in caplog.text
    assert have_boxes(tmp_path / "some") == [True]
    assert "3 of 4 images have no usable box and are not trained: set train.use_empty_images to 1" in caplog.text


def test_no_usable_box_is_told(tmp_path):
    with pytest.raises(InputError, match="usable box"):
        source_of(tmp_path, boxes_per_image=0)


@pytest.mark.parametrize("loaders", [0, 1])
def test_an_image_that_vanishes_is_told(tmp_path, loaders):
    source = source_of(tmp_path)
    for path in source.split.image_dir.iterdir():
        path.unlink()
    with pytest.raises(InputError, match="does not exist"):
        list(batches(source, 0, 2, loaders=loaders))
