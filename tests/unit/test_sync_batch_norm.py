"""BatchNorm over two ranks against one BatchNorm of the whole batch."""

import os
from pathlib import Path

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn

from yolov3.distributed.msrun import LaunchSettings, msrun_command, run_workers
from yolov3.network.settings import NetworkSettings
from yolov3.network.yolo import YOLOv3
from yolov3.training.sync_batch_norm import SyncBatchNorm, synchronise_batch_norm

CHANNELS, RANKS = 3, 2
ANCHORS = ((4, 4), (6, 6), (8, 8), (12, 12), (16, 16), (20, 20), (28, 28), (36, 36), (48, 48))


def inputs():
    rng = np.random.default_rng(5)
    shape = (4, CHANNELS, 5, 6)
    # The two ranks' halves differ in mean and spread, and one channel is far from 0.
    images = rng.normal(size=shape) * np.array([1, 3, 1, 3]).reshape(4, 1, 1, 1) + np.array([0, 1, 100]).reshape(
        3, 1, 1
    )
    statistics = {"moving_mean": np.array([0.5, 0.0, 99.0]), "moving_variance": np.array([1.0, 2.0, 3.0])}
    weights = rng.normal(size=shape)
    arrays = {"images": images, "weights": weights, "gamma": [1.0, 0.5, 2.0], "beta": [0.0, 1.0, -1.0], **statistics}
    return {name: np.asarray(value, np.float32) for name, value in arrays.items()}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What each rank has computed."""
    folder = tmp_path_factory.mktemp("ranks")
    np.savez(folder / "inputs.npz", **inputs())
    # Below the ports that Linux gives to outgoing connections.
    port = 20000 + os.getpid() % 12000
    settings = LaunchSettings(RANKS, RANKS, folder / "workers", master_port=port, worker_threads=1)
    script = Path(__file__).with_name("normalise_on_ranks.py")
    run_workers(msrun_command([str(script), str(folder / "inputs.npz"), str(folder)], settings), settings)
    return [dict(np.load(folder / f"rank_{number}.npz")) for number in range(RANKS)]


@pytest.mark.long
def test_ranks_normalise_as_one_with_the_whole_batch(ranks):
    arrays = inputs()
    mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
    layer = nn.BatchNorm2d(CHANNELS, eps=1e-5, momentum=0.9)
    for name in ("gamma", "beta", "moving_mean", "moving_variance"):
        getattr(layer, name).set_data(Tensor(arrays[name]))
    layer.set_train(True)

    def weighted_sum(images):
        normalised = layer(images)
        return (normalised * Tensor(arrays["weights"])).sum(), normalised

    gradients_of = mindspore.value_and_grad(weighted_sum, 0, [layer.gamma, layer.beta], has_aux=True)
    (_, normalised), (of_images, (of_gamma, of_beta)) = gradients_of(Tensor(arrays["images"]))

    def interleaved(name):
        return np.stack([rank[name] for rank in ranks], axis=1).reshape(arrays["images"].shape)

    np.testing.assert_allclose(interleaved("normalised"), normalised.asnumpy(), atol=2e-5)
    np.testing.assert_allclose(interleaved("of_images"), of_images.asnumpy(), atol=5e-5)
    # The gradients of parameters are of a rank's own images, as in any data-parallel layer; a reducer adds them up.
    np.testing.assert_allclose(sum(rank["of_gamma"] for rank in ranks), of_gamma.asnumpy(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(sum(rank["of_beta"] for rank in ranks), of_beta.asnumpy(), rtol=1e-4, atol=1e-4)
    for rank in ranks:
        for name in ("moving_mean", "moving_variance"):
            np.testing.assert_allclose(rank[name], getattr(layer, name).asnumpy(), rtol=1e-5)


@pytest.mark.long
def test_inference_uses_the_running_statistics(ranks):
    arrays = inputs()
    for number, rank in enumerate(ranks):
        images = arrays["images"][number::RANKS].astype(np.float64).transpose(0, 2, 3, 1)
        scale = arrays["gamma"] / np.sqrt(rank["moving_variance"] + 1e-5)
        expected = (images - rank["moving_mean"]) * scale + arrays["beta"]
        np.testing.assert_allclose(rank["inference"].transpose(0, 2, 3, 1), expected, atol=1e-4)


def test_the_layers_of_a_network_keep_their_parameters():
    network = YOLOv3(NetworkSettings((8, 16, 16, 16, 16), (1, 1, 1, 1, 1), ANCHORS, ("a", "b")))
    before = {name: id(parameter) for name, parameter in network.parameters_dict().items()}
    synchronise_batch_norm(network, RANKS)
    assert {name: id(parameter) for name, parameter in network.parameters_dict().items()} == before
    layers = [type(cell) for _, cell in network.cells_and_names() if hasattr(cell, "moving_mean")]
    assert set(layers) == {SyncBatchNorm}
    assert len(layers) == len([name for name in before if name.endswith("moving_mean")])
