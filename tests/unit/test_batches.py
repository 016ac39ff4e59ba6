import argparse
import dataclasses
import logging
import os
import signal

import numpy as np
import pytest
from small_coco import write_small_coco

from yolov3.config.options import add_options
from yolov3.data.annotations import CocoSplit, load_split
from yolov3.data.checks import CheckSettings, check_dataset
from yolov3.data.images import read_image_rgb
from yolov3.errors import InputError
from yolov3.training.augment import AugmentSettings, augment
from yolov3.training.batches import BatchSource, batches, source_from
from yolov3.training.sampler import SamplerSettings
from yolov3.training.targets import assign_targets

ANCHORS = ((4, 4), (6, 6), (8, 8), (12, 12), (16, 16), (20, 20), (28, 28), (36, 36), (48, 48))
AUGMENT = AugmentSettings(jitter=0.3, scale_min=0.25, scale_max=2, flip=0.5, hue=0.1, saturation=1.5, value=1.5)
COMPOSED = {"mosaic": 0.5, "mixup": 0.5}


def manifest_of(folder, **small):
    place = write_small_coco(folder, **small)
    return check_dataset("custom", {"train": place, "val": place}, CheckSettings("decode", False))


def source_of(
    folder, batch_size=2, shape=64, max_box=4, sampler_seed=5, use_empty_images=False, composed=None, **small
):
    sampler = SamplerSettings(sampler_seed, batch_size, rank=0, group_size=1, training_shape=shape, resize_rate=1)
    split = load_split(manifest_of(folder, **small), "train")
    settings = dataclasses.replace(AUGMENT, **(composed or {}))
    return BatchSource.of(split, sampler, settings, ANCHORS, max_box, use_empty_images=use_empty_images)


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


@pytest.mark.parametrize("composed", [{}, COMPOSED], ids=["single", "composed"])
def test_worker_processes_give_the_same_batches(tmp_path, composed):
    source = source_of(tmp_path, composed=composed)
    assert_same(list(batches(source, 0, 5, loaders=0)), list(batches(source, 0, 5, loaders=2)))


@pytest.mark.parametrize("composed", [{}, COMPOSED], ids=["single", "composed"])
def test_starting_in_the_middle_gives_the_same_batches(tmp_path, composed):
    source = source_of(tmp_path, composed=composed)
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


def test_the_advice_for_many_boxes_is_a_value_that_is_allowed(tmp_path, caplog):
    for max_box, advice in ((50, "set it to 1000, its maximum"), (1000, "more are not possible")):
        source_of(tmp_path / str(max_box), images=1, boxes_per_image=1001, batch_size=1, max_box=max_box)
        assert f"because train.max_box is {max_box}: {advice}" in caplog.text


def test_an_image_repeated_within_a_step_is_augmented_each_time(tmp_path):
    alone = next(batches(source_of(tmp_path / "one", images=1, batch_size=1), 0, 1, loaders=0)).images
    images = next(batches(source_of(tmp_path / "three", images=1, batch_size=3), 0, 1, loaders=0)).images
    assert np.array_equal(images[:1], alone)
    assert not any(np.array_equal(images[first], images[second]) for first, second in ((0, 1), (0, 2), (1, 2)))


def augmented(source, step):
    """The images and targets of a step, each image augmented by itself."""
    epoch, indices, _ = source.new_sampler().batch(step)
    images, targets = [], []
    for index in source.usable[indices].tolist():
        rng = np.random.default_rng((source.sampler.seed, epoch, index, step))
        image, boxes_xyxy, labels = augment(
            read_image_rgb(source.split.path(index)), *source.split.boxes_of(index), (64, 64), AUGMENT, rng
        )
        images.append(image)
        targets.append(vars(assign_targets(boxes_xyxy, labels, (64, 64), ANCHORS, source.max_box)))
    return np.stack(images), [np.stack([target[name] for target in targets]) for name in targets[0]]


def is_augmented_only(source, step, batch):
    images, targets = augmented(source, step)
    return np.array_equal(batch.images, images) and all(map(np.array_equal, batch.targets, targets))


def test_without_mosaic_and_mixup_each_image_is_augmented_by_itself(tmp_path):
    source = source_of(tmp_path)
    assert all(is_augmented_only(source, step, batch) for step, batch in enumerate(batches(source, 0, 4, loaders=0)))


@pytest.mark.parametrize("option", ["mosaic", "mixup"])
def test_the_last_epochs_are_plain(tmp_path, option):
    source = source_of(tmp_path, images=4, composed={option: 1})
    source = dataclasses.replace(source, plain_from=2)
    is_plain = [is_augmented_only(source, step, batch) for step, batch in enumerate(batches(source, 0, 8, loaders=0))]
    assert is_plain == [False] * 4 + [True] * 4


@pytest.mark.parametrize(("use_empty_images", "candidates"), [(False, range(3)), (True, range(6))])
def test_further_images_are_drawn_from_all_that_are_trained(tmp_path, monkeypatch, use_empty_images, candidates):
    options = {"images": 3, "empty_images": 3, "batch_size": 1, "use_empty_images": use_empty_images}
    source = source_of(tmp_path, composed={"mosaic": 1}, **options)
    read, path = [], CocoSplit.path
    monkeypatch.setattr(CocoSplit, "path", lambda split, index: read.append(index) or path(split, index))
    list(batches(source, 0, 30, loaders=0))
    read = np.reshape(read, (30, 4))
    chosen = [source.usable[source.new_sampler().batch(step)[1][0]] for step in range(30)]
    assert read[:, 0].tolist() == chosen
    counts = np.bincount(read[:, 1:].ravel(), minlength=6)
    assert np.flatnonzero(counts).tolist() == list(candidates)
    assert counts[counts > 0].min() > 90 / len(candidates) / 3


def test_two_boxes_of_each_of_eight_images_are_trained(tmp_path):
    """At a fifth of its size every image is seen whole, with its two boxes."""
    source = source_of(tmp_path, composed={"mosaic": 1, "mixup": 1, "scale_min": 0.2, "scale_max": 0.2}, max_box=16)
    batch = next(batches(source, 0, 1, loaders=0))
    assert (batch.targets[0][..., 2] > 0).sum(axis=1).tolist() == [16, 16]


@pytest.mark.parametrize(
    ("words", "max_box"),
    [
        ("", 2),
        ("--mosaic 0.1", 8),
        ("--mixup 0.1", 4),
        ("--mosaic 1 --mixup 1", 16),
        ("--mosaic 1 --mixup 1 --max_box 5", 5),
    ],
)
def test_targets_have_room_for_the_boxes_of_all_images(tmp_path, words, max_box):
    assert parsed_source(tmp_path, words).max_box == max_box


def parsed_source(folder, words):
    parser = argparse.ArgumentParser()
    add_options(parser, "", only=("seed",))
    add_options(parser, "train")
    words = f"--training_shape 64 --per_batch_size 2 {words}"
    return source_from(parser.parse_args(words.split()), manifest_of(folder), ANCHORS)


def test_the_options_say_how_many_epochs_are_plain(tmp_path):
    source = parsed_source(tmp_path, "--max_epoch 10 --plain_epochs 3 --mosaic 1 --mixup 0.25")
    assert source.plain_from == 7
    assert (source.augment.mosaic, source.augment.mixup) == (1, 0.25)
    assert parsed_source(tmp_path / "other", "--max_epoch 10").plain_from == 10


@pytest.mark.parametrize(("max_box", "is_warned"), [(7, True), (8, False)])
def test_a_warning_of_boxes_that_come_together(tmp_path, caplog, max_box, is_warned):
    caplog.set_level(logging.WARNING)
    source_of(tmp_path / "single", max_box=2)
    assert not caplog.records
    source_of(tmp_path / "mosaic", max_box=max_box, composed={"mosaic": 0.5})
    expected = (
        "training images made of up to 4 can have more boxes than train.max_box, 7, of which the others count as "
        "background: an image has 2.0 on average: set it to 8 to train all"
    )
    assert [record.getMessage() for record in caplog.records] == ([expected] if is_warned else [])


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
