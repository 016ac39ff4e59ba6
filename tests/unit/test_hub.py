"""The entry point of MindSpore Hub, called as mindspore_hub.load does."""

import importlib.util
from pathlib import Path

import mindspore
import numpy as np
import pytest
from exported_samples import SETTINGS, small_network
from mindspore import Tensor

from yolov3.errors import InputError
from yolov3.weights.checkpoint import save_checkpoint

HUB_FILE = Path(__file__).parents[2] / "mindspore_hub_conf.py"


@pytest.fixture
def create_network():
    spec = importlib.util.spec_from_file_location("mindspore_hub_conf", HUB_FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.create_network


def test_the_published_network_without_a_checkpoint(create_network):
    network = create_network("yolov3_darknet53")
    # Darknet's yolov3.weights: 248,007,048 bytes less the header's 20, all float32; the statistics are not trained.
    assert sum(parameter.size for parameter in network.get_parameters()) == (248_007_048 - 20) // 4
    assert not network.training
    small = create_network("yolov3_darknet53", num_classes=2, backbone_shape=(8,) * 5, backbone_layers=(1,) * 5)
    maps = small(Tensor(np.zeros((1, 3, 64, 64), np.float32)))
    assert [tuple(raw.shape) for raw in maps] == [(1, 21, 8, 8), (1, 21, 4, 4), (1, 21, 2, 2)]


def test_with_a_checkpoint_of_ours_and_as_the_hub_loads_one(create_network, tmp_path):
    path = tmp_path / "yolov3 ü.ckpt"
    trained = small_network()
    save_checkpoint(path, trained, SETTINGS)
    image = Tensor(np.random.default_rng(0).normal(size=(1, 3, 64, 64)).astype(np.float32))
    expected = trained(image)[0].asnumpy()

    np.testing.assert_array_equal(create_network("yolov3_darknet53", str(path))(image)[0].asnumpy(), expected)
    network = create_network("yolov3_darknet53", num_classes=2, backbone_shape=(8,) * 5, backbone_layers=(1,) * 5)
    mindspore.load_param_into_net(network, mindspore.load_checkpoint(str(path)))
    np.testing.assert_array_equal(network(image)[0].asnumpy(), expected)


def test_errors(create_network, tmp_path):
    with pytest.raises(NotImplementedError, match="resnet50 is not in this repository"):
        create_network("resnet50")
    with pytest.raises(InputError, match="does not exist"):
        create_network("yolov3_darknet53", checkpoint=str(tmp_path / "none.ckpt"))
    with pytest.raises(InputError, match="anchor_scales is not a setting of the network: choose from anchors, "):
        create_network("yolov3_darknet53", anchor_scales=[[1, 1]] * 9)
    save_checkpoint(tmp_path / "yolov3.ckpt", small_network(), SETTINGS)
    with pytest.raises(InputError, match="has its own normalisation"):
        create_network("yolov3_darknet53", checkpoint=str(tmp_path / "yolov3.ckpt"), normalisation="unit")
