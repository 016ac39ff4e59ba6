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


def test_fewer_images_than_a_batch_are_repeated():
    one = sampler(1, batch=4)
    assert one.steps_per_epoch == 1
    assert one.batch(0)[1].tolist() == [0, 0, 0, 0]


def test_sizes_change_every_resize_rate_batches_and_agree_on_all_ranks():
    first, second = sampler(100, 0, 2, shape=0, rate=3), sampler(100, 1, 2, shape=0, rate=3)
    sizes = [first.input_size(step)[0] for step in range(600)]
    assert sizes == [second.input_size(step)[0] for step in range(600)]
    assert all(len(set(sizes[start : start + 3])) == 1 for start in range(0, 600, 3))
    assert set(sizes) == set(MULTI_SCALE_SIZES) == set(range(320, 609, 32))
    assert sampler(100).input_size(5) == (416, 416)
