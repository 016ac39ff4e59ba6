import numpy as np
import pytest

from yolov3.training.sampler import MULTI_SCALE_SIZES, SamplerSettings, TrainingSampler


def sampler(images, rank=0, group_size=1, batch=4, shape=416, rate=10, seed=3):
    return TrainingSampler(images, SamplerSettings(seed, batch, rank, group_size, shape, rate))


def epoch_of(one, epoch):
    steps = one.steps_per_epoch
    return np.concatenate([one.batch(epoch * steps + step)[1] for step in range(steps)])


def test_an_epoch_is_a_permutation_and_epochs_differ():
    one = sampler(20)
    assert sorted(epoch_of(one, 0)) == list(range(20))
    assert epoch_of(one, 0).tolist() != epoch_of(one, 1).tolist()
    assert one.batch(7)[0] == 1


@pytest.mark.parametrize("group_size", [2, 3, 8])
def test_ranks_share_an_epoch_padded_to_the_world_size(group_size):
    ranks = [sampler(22, rank, group_size, batch=1) for rank in range(group_size)]
    drawn = np.concatenate([epoch_of(one, 0) for one in ranks])
    assert set(drawn) == set(range(22))
    assert len(drawn) == -(-22 // group_size) * group_size
    assert len({one.steps_per_epoch for one in ranks}) == 1


def test_any_step_is_the_same_without_those_before_it():
    straight = sampler(20)
    order = [straight.batch(step)[1].tolist() for step in range(12)]
    assert sampler(20).batch(11)[1].tolist() == order[11]


def test_the_epochs_of_a_run_can_begin_anywhere():
    straight = sampler(20)
    for epoch in range(4):
        assert epoch_of(sampler(20), epoch).tolist() == epoch_of(straight, epoch).tolist()
        assert sorted(epoch_of(sampler(20), epoch)) == list(range(20))


def test_order_and_sizes_follow_the_seed():
    def drawn(seed):
        one = sampler(100, seed=seed, shape=0, rate=1)
        return epoch_of(one, 0).tolist(), [one.input_size(step) for step in range(50)]

    (order, sizes), (other_order, other_sizes) = drawn(3), drawn(4)
    assert (order, sizes) == drawn(3)
    assert order != other_order
    assert sizes != other_sizes


def test_the_order_is_a_shuffle():
    """Each image is as often in the first half of an epoch as in the second."""
    halves = np.zeros(40)
    for epoch in range(200):
        halves[epoch_of(sampler(40), epoch)[:20]] += 1
    assert halves.min() > 60 and halves.max() < 140


@pytest.mark.parametrize(
    ("images", "group_size", "batch", "steps"),
    [(22, 1, 4, 5), (22, 2, 4, 2), (23, 4, 3, 2), (3, 2, 4, 1), (8, 2, 4, 1)],
)
def test_batches_of_an_epoch_are_whole(images, group_size, batch, steps):
    ranks = [sampler(images, rank, group_size, batch=batch) for rank in range(group_size)]
    assert [one.steps_per_epoch for one in ranks] == [steps] * group_size
    drawn = np.concatenate([epoch_of(one, 0) for one in ranks])
    assert drawn.shape == (group_size * steps * batch,)
    # No image comes twice before all have come.
    counts = np.bincount(drawn, minlength=images)
    assert counts.max() - counts.min() <= 1


def test_fewer_images_than_a_batch_are_repeated():
    one = sampler(1, batch=4)
    assert one.steps_per_epoch == 1
    assert one.batch(0)[1].tolist() == [0, 0, 0, 0]
    assert one.batch(5)[2].tolist() == [0, 1, 2, 3]


def test_repeats_are_counted_over_all_ranks():
    ranks = [sampler(3, rank, 2, batch=4) for rank in range(2)]
    drawn = [(image, repeat) for one in ranks for image, repeat in zip(*one.batch(0)[1:], strict=True)]
    assert sorted(repeat for _, repeat in drawn) == [0, 0, 0, 1, 1, 1, 2, 2]
    assert len(set(drawn)) == 8
    assert not sampler(20).batch(3)[2].any()


def test_sizes_change_every_resize_rate_batches_and_agree_on_all_ranks():
    first, second = sampler(100, 0, 2, shape=0, rate=3), sampler(100, 1, 2, shape=0, rate=3)
    sizes = [first.input_size(step)[0] for step in range(600)]
    assert sizes == [second.input_size(step)[0] for step in range(600)]
    assert all(len(set(sizes[start : start + 3])) == 1 for start in range(0, 600, 3))
    assert all(first.input_size(step) == (sizes[step], sizes[step]) for step in range(600))
    assert set(sizes) == set(MULTI_SCALE_SIZES) == set(range(320, 609, 32))
    assert sampler(100).input_size(5) == (416, 416)
