"""The operators of native_training/ compute what MindSpore's do, and what NumPy computes in double precision."""

import dataclasses
from pathlib import Path

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn

from yolov3.errors import InputError
from yolov3.native.training_kernels import build_training_kernels, is_possible_here
from yolov3.network.darknet53 import DarkNet53, running_statistics
from yolov3.network.grid import prediction_grid
from yolov3.network.settings import NetworkSettings
from yolov3.network.yolo import YOLOv3
from yolov3.training.channels_last import (
    _convolution_operator,
    _norm_operator,
    channels_last_twin,
    operator_errors,
)
from yolov3.training.loss import LossSettings, YoloLoss
from yolov3.training.step import ForwardLoss, freeze_backbone, set_training
from yolov3.training.targets import assign_targets

SOURCE = Path(__file__).parents[2] / "native_training"
ANCHORS = ((4, 4), (6, 6), (8, 8), (12, 12), (16, 16), (20, 20), (28, 28), (36, 36), (48, 48))
SETTINGS = NetworkSettings((8, 24, 16, 40, 72), (1, 1, 2, 1, 1), ANCHORS, ("a", "b"))
# Not square, and too few values at stride 32 for whole groups of rows.
SIZE = (64, 96)
LOSS = LossSettings(0, 0.1, "published", 1.0, 1.0, 1.0, "one")
SHARES = {"epsilon": 1e-5, "new_share": 0.1, "slope": 0.1}


@pytest.fixture(scope="module")
def library(cache_dir: Path) -> Path:
    if not is_possible_here():
        pytest.skip("native_training is for other processors")
    return build_training_kernels(SOURCE, cache_dir / "training_kernels", 2).resolve()


def new_network(settings: NetworkSettings = SETTINGS) -> YOLOv3:
    mindspore.set_context(mode=mindspore.GRAPH_MODE)
    mindspore.set_seed(4)
    network = YOLOv3(settings)
    rng = np.random.default_rng(2)
    # Of a network that has been trained: each channel normalised otherwise.
    for name, parameter in network.parameters_and_names():
        if name.endswith(("gamma", "beta", "moving_mean", "moving_variance", "bias")):
            parameter.set_data(Tensor(rng.uniform(0.5, 1.5, parameter.shape).astype(np.float32)))
    return network


def batch() -> tuple[Tensor, ...]:
    rng = np.random.default_rng(0)
    boxes_xyxy = np.array([[8, 8, 24, 30], [30, 20, 60, 60]], np.float32)
    targets = [assign_targets(boxes_xyxy, np.array([0, 1]), SIZE, ANCHORS, 4) for _ in range(3)]
    stacked = [Tensor(np.stack([getattr(target, name) for target in targets])) for name in vars(targets[0])]
    images = Tensor(rng.integers(0, 256, (3, *SIZE, 3), dtype=np.uint8))
    return images, Tensor(np.array(prediction_grid(SIZE, ANCHORS))), *stacked


def step_of(library: Path | None, is_frozen: bool = False) -> dict[str, np.ndarray]:
    """Return loss terms, gradients and new running statistics of a step, by name."""
    network = new_network()
    if is_frozen:
        freeze_backbone(network)
    forward = ForwardLoss(network, YoloLoss(2, LOSS), 1.0, kernel_library=library)
    set_training(forward)
    weights = mindspore.ParameterTuple(network.trainable_params())
    (_, terms), gradients = mindspore.value_and_grad(forward, None, weights, has_aux=True)(*batch())
    found = {weight.name: gradient.asnumpy() for weight, gradient in zip(weights, gradients, strict=True)}
    statistics = {parameter.name: parameter.asnumpy() for parameter in running_statistics(network)}
    return {"loss": terms.asnumpy(), **found, **statistics}


def assert_close(actual: dict[str, np.ndarray], expected: dict[str, np.ndarray], tolerance: float = 2e-4) -> None:
    assert list(actual) == list(expected)
    for name, value in expected.items():
        scale = np.abs(value).max()
        np.testing.assert_allclose(actual[name], value, rtol=0, atol=tolerance * scale, err_msg=name)


@pytest.fixture(scope="module")
def step(library: Path) -> dict[str, np.ndarray]:
    return step_of(library)


@pytest.mark.parametrize("is_frozen", [False, True])
def test_a_step_equals_mindspores(library: Path, step: dict[str, np.ndarray], is_frozen: bool) -> None:
    expected = step_of(None, is_frozen)
    actual = step_of(library, is_frozen=True) if is_frozen else step
    assert_close(actual, expected)
    untrained = {parameter.name: parameter.asnumpy() for parameter in running_statistics(new_network())}
    for name, value in untrained.items():
        is_kept = is_frozen and name.startswith("backbone.")
        assert np.array_equal(actual[name], value) == is_kept, name


def test_equal_steps_give_equal_bits(library: Path, step: dict[str, np.ndarray]) -> None:
    again = step_of(library)
    for name, value in step.items():
        np.testing.assert_array_equal(again[name], value, err_msg=name)


def normalised(
    library: Path, x: np.ndarray, gradient: np.ndarray, channels: dict[str, np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the outputs of the operator, and the gradients of its first three inputs."""
    mindspore.set_context(mode=mindspore.GRAPH_MODE)
    operator = _norm_operator(library)
    inputs = [Tensor(value) for value in (x, *channels.values(), np.array(list(SHARES.values()), np.float32))]

    class Weighted(nn.Cell):
        def construct(self, *values):
            return (operator(*values)[0] * Tensor(gradient)).sum()

    class Outputs(nn.Cell):
        def construct(self, *values):
            return operator(*values)

    gradients = mindspore.grad(Weighted(), (0, 1, 2))(*inputs)
    return [value.asnumpy() for value in Outputs()(*inputs)], [value.asnumpy() for value in gradients]


@pytest.mark.parametrize("shape", [(2, 5, 7, 3), (1, 1, 1, 130), (4, 32, 32, 8), (3, 2, 2, 96)])
@pytest.mark.parametrize("mean", [0, 1000])
def test_normalisation_and_its_gradient(library: Path, shape: tuple[int, ...], mean: float) -> None:
    rng = np.random.default_rng(1)
    x = (mean + rng.normal(0, 2, shape)).astype(np.float32)
    gradient = rng.normal(0, 1, shape).astype(np.float32)
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    channels = {name: rng.uniform(0.5, 1.5, shape[-1]).astype(np.float32) for name in names}
    outputs, gradients = normalised(library, x, gradient, channels)

    exact, rows = x.astype(np.float64), x.size // shape[-1]
    axes = (0, 1, 2)
    deviation = np.sqrt(exact.var(axes) + SHARES["epsilon"])
    standard = (exact - exact.mean(axes)) / deviation
    before = standard * channels["gamma"] + channels["beta"]
    inner = gradient * np.where(before > 0, 1, SHARES["slope"])
    x_gradient = channels["gamma"] / deviation * (inner - inner.mean(axes) - standard * (inner * standard).mean(axes))
    new = {
        "moving_mean": exact.mean(axes),
        "moving_variance": exact.var(axes) * rows / max(rows - 1, 1),
    }
    running = [channels[name] + SHARES["new_share"] * (value - channels[name]) for name, value in new.items()]
    expected = [np.where(before > 0, before, SHARES["slope"] * before), exact.mean(axes), 1 / deviation, *running]
    # Float32 values near 1,000 are rounded by 3e-5.
    tolerance = 2e-5 if mean == 0 else 1e-3
    for actual, value in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(actual, value, rtol=tolerance, atol=tolerance)
    for actual, value in zip(gradients, (x_gradient, (inner * standard).sum(axes), inner.sum(axes)), strict=True):
        np.testing.assert_allclose(actual, value, rtol=0, atol=10 * tolerance * max(1, np.abs(value).max()))


def test_the_network_keeps_its_cells_and_names(library: Path) -> None:
    network = new_network()
    names = [parameter.name for parameter in network.get_parameters()]
    twin = channels_last_twin(network, library)
    assert [parameter.name for parameter in network.get_parameters()] == names
    assert {parameter.name for parameter in twin.get_parameters()} == set(names)
    assert {id(parameter) for parameter in twin.get_parameters()} == {id(one) for one in network.get_parameters()}
    assert isinstance(network.backbone.root.conv, nn.Conv2d)
    assert any(isinstance(cell, DarkNet53) for _, cell in twin.cells_and_names())


def test_what_does_not_fit_is_one_sentence(library: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"one of the model zoo, which needs train\.cpu_kernels mindspore"):
        channels_last_twin(new_network(dataclasses.replace(SETTINGS, compatibility="modelzoo")), library)
    broken = tmp_path / "libtraining_kernels.so"
    broken.write_text("no library", encoding="utf-8")
    with pytest.raises(InputError, match=r"cannot be loaded .* build it again"):
        channels_last_twin(new_network(), broken)
    with pytest.raises(InputError, match="has a colon in its path: move the project"):
        channels_last_twin(new_network(), tmp_path / "a:b" / library.name)


def test_an_operator_that_fails_is_one_sentence(library: Path) -> None:
    mindspore.set_context(mode=mindspore.GRAPH_MODE)
    operator = _convolution_operator(library, 1)

    class Convolution(nn.Cell):
        def construct(self, x, weights):
            return operator(x, weights)

    # With an even kernel and a padding of half of it, the output is larger than the input.
    x, weights = Tensor(np.zeros((1, 8, 8, 4), np.float32)), Tensor(np.zeros((4, 4, 2, 2), np.float32))
    sentence = r"operator of native_training failed.*: lower train\.per_batch_size"
    with pytest.raises(InputError, match=sentence), operator_errors():
        Convolution()(x, weights).asnumpy()
    with pytest.raises(RuntimeError, match="another"), operator_errors():
        raise RuntimeError("another")


def test_a_project_that_was_moved_builds_again(library: Path) -> None:
    cache = library.parent / "CMakeCache.txt"
    written = cache.read_text(encoding="utf-8")
    cache.write_text(written.replace(f"CMAKE_HOME_DIRECTORY:INTERNAL={SOURCE}", "CMAKE_HOME_DIRECTORY:INTERNAL=/moved"))
    assert cache.read_text(encoding="utf-8") != written
    assert build_training_kernels(SOURCE, library.parents[1], 2).resolve() == library


def test_another_processor_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(
        InputError, match=r"needs an x86_64 processor with AVX2, .* set train\.cpu_kernels to mindspore"
    ):
        build_training_kernels(SOURCE, tmp_path, 1)
