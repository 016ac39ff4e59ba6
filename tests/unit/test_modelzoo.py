"""Checkpoints of the original model zoo code: a network of the same cells gives the names and the outputs."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import mindspore
import numpy as np
import pytest
from darknet_samples import ANCHORS
from mindspore import Tensor, nn, ops

from yolov3.errors import InputError
from yolov3.network.settings import NetworkSettings
from yolov3.weights.checkpoint import load_network
from yolov3.weights.convert import convert_weights

SHAPE, LAYERS = (8, 16, 32, 64, 128), (1, 1, 2, 2, 1)
SETTINGS = NetworkSettings(SHAPE, LAYERS, ANCHORS, ("a", "b", "c"), compatibility="modelzoo")
IMAGES = np.random.default_rng(8).standard_normal((2, 3, 64, 96)).astype(np.float32)


def convolution(channels_in: int, channels_out: int, size: int, activation: nn.Cell, stride: int = 1) -> nn.Cell:
    return nn.SequentialCell(
        nn.Conv2d(channels_in, channels_out, size, stride, pad_mode="same"), nn.BatchNorm2d(channels_out), activation
    )


class Residual(nn.Cell):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = convolution(channels, channels // 2, 1, nn.ReLU())
        self.conv2 = convolution(channels // 2, channels, 3, nn.ReLU())

    def construct(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x)) + x


class Backbone(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.conv0 = convolution(3, SHAPE[0] // 2, 3, nn.ReLU())
        before = SHAPE[0] // 2
        for number, (channels, blocks) in enumerate(zip(SHAPE, LAYERS, strict=True), start=1):
            setattr(self, f"conv{number}", convolution(before, channels, 3, nn.ReLU(), stride=2))
            setattr(self, f"layer{number}", nn.SequentialCell([Residual(channels) for _ in range(blocks)]))
            before = channels

    def construct(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        stride_8 = self.layer3(self.conv3(self.layer2(self.conv2(self.layer1(self.conv1(self.conv0(x)))))))
        stride_16 = self.layer4(self.conv4(stride_8))
        return stride_8, stride_16, self.layer5(self.conv5(stride_16))


class Branch(nn.Cell):
    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.conv0 = convolution(channels_in, channels, 1, nn.LeakyReLU(0.1))
        self.conv1 = convolution(channels, 2 * channels, 3, nn.LeakyReLU(0.1))
        self.conv2 = convolution(2 * channels, channels, 1, nn.LeakyReLU(0.1))
        self.conv3 = convolution(channels, 2 * channels, 3, nn.LeakyReLU(0.1))
        self.conv4 = convolution(2 * channels, channels, 1, nn.LeakyReLU(0.1))
        self.conv5 = convolution(channels, 2 * channels, 3, nn.LeakyReLU(0.1))
        self.conv6 = nn.Conv2d(2 * channels, 3 * 8, 1, has_bias=True)

    def construct(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.conv4(self.conv3(self.conv2(self.conv1(self.conv0(x)))))
        return x, self.conv6(self.conv5(x))


class FeatureMap(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.backblock0 = Branch(SHAPE[4], SHAPE[3])
        self.conv1 = convolution(SHAPE[3], SHAPE[3] // 2, 1, nn.LeakyReLU(0.1))
        self.backblock1 = Branch(SHAPE[3] + SHAPE[2], SHAPE[2])
        self.conv2 = convolution(SHAPE[2], SHAPE[2] // 2, 1, nn.LeakyReLU(0.1))
        self.backblock2 = Branch(SHAPE[2] + SHAPE[1], SHAPE[1])

    def construct(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        stride_8, stride_16, stride_32 = self.backbone(x)
        route, raw_32 = self.backblock0(stride_32)
        route, raw_16 = self.backblock1(ops.concat((self.upsampled(self.conv1(route)), stride_16), 1))
        _, raw_8 = self.backblock2(ops.concat((self.upsampled(self.conv2(route)), stride_8), 1))
        return raw_8, raw_16, raw_32

    def upsampled(self, x: Tensor) -> Tensor:
        return ops.repeat_interleave(ops.repeat_interleave(x, 2, 2), 2, 3)


class Yolo(nn.Cell):
    """In the original, decoding follows, which has no parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.feature_map = FeatureMap()

    def construct(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.feature_map(x)


class WithLoss(nn.Cell):
    """What is trained: the original computes the loss here."""

    def __init__(self, network: Yolo) -> None:
        super().__init__()
        self.yolo_network = network

    def construct(self, x: Tensor) -> Tensor:
        return sum(raw.sum() for raw in self.yolo_network(x))


@pytest.fixture(scope="module")
def original() -> Yolo:
    """A network in inference mode whose normalisation counts in each of its numbers."""
    network = Yolo()
    generator = np.random.default_rng(9)
    for cell in network.cells():
        for _, norm in cell.cells_and_names():
            if isinstance(norm, nn.BatchNorm2d):
                # Small enough for an epsilon of 1e-6 and one of 1e-5 to give outputs that differ.
                variance = generator.uniform(5e-5, 5e-4, norm.moving_variance.shape)
                gamma = np.sqrt(variance) * generator.uniform(1, 2.4, variance.shape)
                beta, mean = generator.normal(0, 0.1, (2, *variance.shape))
                values = {"moving_variance": variance, "gamma": gamma, "beta": beta, "moving_mean": mean}
                for field, value in values.items():
                    getattr(norm, field).set_data(Tensor(value.astype(np.float32)))
    network.set_train(False)
    return network


def write(path: Path, parameters: dict[str, object]) -> Path:
    mindspore.save_checkpoint([{"name": name, "data": Tensor(value)} for name, value in parameters.items()], str(path))
    return path


def raw_maps(network: nn.Cell) -> list[np.ndarray]:
    return [raw.asnumpy() for raw in network(Tensor(IMAGES))]


def test_evaluation_checkpoint_gives_equal_outputs(original: Yolo, tmp_path: Path) -> None:
    path = write(tmp_path / "yolov3 é.ckpt", original.parameters_dict())

    summary = convert_weights(path, tmp_path / "ours.ckpt", SETTINGS)

    network, settings = load_network(tmp_path / "ours.ckpt")
    assert settings == dataclasses.replace(SETTINGS, testing_shape=416, letterbox=False)
    assert summary["parameters"] == sum(value.size for value in original.get_parameters())
    for ours, theirs in zip(raw_maps(network), raw_maps(original), strict=True):
        assert theirs.std() > 0.05
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())


def test_what_the_optimizer_left_in_a_training_checkpoint_is_passed_over(original: Yolo, tmp_path: Path) -> None:
    with_loss = WithLoss(original)
    optimizer = nn.Momentum(with_loss.trainable_params(), [0.1, 0.01], 0.9, weight_decay=5e-4)
    training = nn.TrainOneStepCell(with_loss, optimizer)
    path = write(tmp_path / "0-320_146240.ckpt", training.parameters_dict())
    names = mindspore.load_checkpoint(str(path)).keys()
    assert {"global_step", "learning_rate", "yolo_network.feature_map.backbone.conv0.0.weight"} < names
    assert "moments.yolo_network.feature_map.backblock2.conv6.bias" in names

    convert_weights(path, tmp_path / "ours.ckpt", SETTINGS)

    network, _ = load_network(tmp_path / "ours.ckpt")
    for ours, theirs in zip(raw_maps(network), raw_maps(original), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())


@pytest.mark.parametrize(
    ("damage", "settings", "words"),
    [
        (
            lambda parameters: parameters.pop("feature_map.conv1.1.gamma"),
            SETTINGS,
            ["feature_map.conv1.1.gamma", "(32,)"],
        ),
        (
            lambda parameters: parameters.update({"feature_map.conv3.0.weight": np.zeros(2, np.float32)}),
            SETTINGS,
            ["feature_map.conv3.0.weight", "(2,)"],
        ),
        (
            lambda parameters: None,
            dataclasses.replace(SETTINGS, class_names=("a",)),
            ["feature_map.backblock0.conv6", "(24,", "(18,", "number of classes"],
        ),
        (
            lambda parameters: None,
            dataclasses.replace(SETTINGS, backbone_layers=(1, 1, 1, 2, 1)),
            ["feature_map.backbone.layer3.1.conv1.0.weight"],
        ),
        (
            lambda parameters: None,
            dataclasses.replace(SETTINGS, compatibility="darknet"),
            ["network.compatibility", "modelzoo"],
        ),
        (lambda parameters: parameters.clear() or parameters.update(w=np.zeros(3, np.float32)), SETTINGS, ["neither"]),
    ],
    ids=["missing", "unknown", "classes", "blocks", "compatibility", "other"],
)
def test_what_does_not_fit_is_named(
    original: Yolo,
    tmp_path: Path,
    damage: Callable[[dict[str, object]], None],
    settings: NetworkSettings,
    words: list[str],
) -> None:
    names = {name.removeprefix("yolo_network."): value for name, value in original.parameters_dict().items()}
    damage(names)
    path = write(tmp_path / "theirs.ckpt", names)

    with pytest.raises(InputError) as caught:
        convert_weights(path, tmp_path / "ours.ckpt", settings)

    for word in [str(path), *words]:
        assert word in str(caught.value)
    assert not (tmp_path / "ours.ckpt").exists()
