"""OpenCV's Darknet importer reads our cfg and weights and computes what our network computes."""

from pathlib import Path

import cv2
import mindspore
import numpy as np
import pytest
from darknet_samples import full_settings, random_arrays, slim_settings

from yolov3.errors import InputError
from yolov3.network.settings import NetworkSettings
from yolov3.network.yolo import YOLOv3
from yolov3.weights.darknet_cfg import darknet_cfg
from yolov3.weights.darknet_file import DarknetHeader, value_count, write_weights
from yolov3.weights.layers import backbone_layers, network_layers

WIDTH, HEIGHT = 96, 64


def test_full_network_has_the_published_number_of_values() -> None:
    network = YOLOv3(full_settings())

    layers = network_layers(network)
    assert len(layers) == 75
    assert value_count(layers) == 62_001_757
    assert DarknetHeader().size + 4 * value_count(layers) == 248_007_048  # yolov3.weights
    backbone = backbone_layers(network.backbone)
    assert len(backbone) == 52
    assert DarknetHeader().size + 4 * value_count(backbone) == 162_482_580  # darknet53.conv.74


def test_layers_name_every_parameter_of_the_network_once() -> None:
    network = YOLOv3(slim_settings())

    named = [parameter for layer in network_layers(network) for parameter in layer.parameters]

    assert len(named) == len(dict(named))
    assert dict(named) == {name: tuple(value.shape) for name, value in network.parameters_dict().items()}


def test_outputs_equal_opencv(tmp_path: Path) -> None:
    settings = slim_settings()
    network = YOLOv3(settings)
    network.set_train(False)
    layers = network_layers(network)
    arrays = random_arrays(layers, seed=5)
    for name, parameter in network.parameters_dict().items():
        parameter.set_data(mindspore.Tensor(arrays[name]))
    cfg, weights = tmp_path / "net.cfg", tmp_path / "net.weights"
    cfg.write_text(darknet_cfg(settings, WIDTH, HEIGHT), encoding="utf-8")
    write_weights(weights, DarknetHeader(seen=32_013_312), layers, arrays)
    images = np.random.default_rng(6).random((1, 3, HEIGHT, WIDTH), np.float32)

    oracle = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
    oracle.setInput(images)
    # The convolution in front of each yolo layer, in the order of the cfg: strides 32, 16, 8.
    yolo_numbers = [int(name.removeprefix("yolo_")) for name in oracle.getLayerNames() if name.startswith("yolo_")]
    expected = oracle.forward([f"conv_{number - 1}" for number in yolo_numbers])
    raw_maps = [raw.asnumpy() for raw in network(mindspore.Tensor(images))]

    differences = []
    for stride, raw, reference in zip((8, 16, 32), raw_maps, expected[::-1], strict=True):
        assert raw.shape == (1, 3 * settings.values_per_anchor, HEIGHT // stride, WIDTH // stride)
        assert 0.1 < reference.std() < 20
        differences.append(float(np.abs(raw - reference).max()))
    print(f"largest difference from OpenCV: {max(differences):.2e}")
    assert max(differences) < 1e-3


def test_modelzoo_network_has_no_cfg() -> None:
    settings = NetworkSettings((8,) * 5, (1,) * 5, slim_settings().anchors, ("a",), compatibility="modelzoo")

    with pytest.raises(InputError, match="modelzoo"):
        darknet_cfg(settings, 64, 64)
