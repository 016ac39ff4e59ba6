"""An update from several batches equals one from the mean of their gradients, calculated apart."""

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn
from schema_settings import published
from test_step import ANCHORS, SIZE, network, published_loss

from yolov3.network.grid import prediction_grid
from yolov3.training.accumulation import AccumulatedStep
from yolov3.training.optimizer import OptimizerSettings, new_optimizer
from yolov3.training.step import ForwardLoss
from yolov3.training.targets import assign_targets

RATE = 0.001


def four_images():
    rng = np.random.default_rng(0)
    targets = []
    for number in range(4):
        boxes_xyxy = np.array([[4 + number, 8, 24, 30 + number], [30, 20 + number, 60 - number, 60]], np.float32)
        targets.append(assign_targets(boxes_xyxy, np.array([0, 1]), SIZE, ANCHORS, 4))
    stacked = [np.stack([getattr(target, name) for target in targets]) for name in vars(targets[0])]
    return [rng.integers(0, 256, (4, *SIZE, 3), dtype=np.uint8), *stacked]


def grid():
    return Tensor(np.array(prediction_grid(SIZE, ANCHORS)))


def freeze_batch_norm(net):
    for _, cell in net.cells_and_names():
        if isinstance(cell, nn.BatchNorm2d):
            cell.set_train(False)


def mean_gradients(weights):
    """Mean over the halves of the images of the loss and of its gradients at some weights, computed eagerly."""
    net = network()
    for parameter in net.trainable_params():
        parameter.set_data(Tensor(weights[parameter.name]))
    net.set_train(True)
    freeze_batch_norm(net)
    gradients_of = mindspore.value_and_grad(
        ForwardLoss(net, published_loss(), 1.0), None, net.trainable_params(), has_aux=True
    )
    halves = []
    for half in (slice(0, 2), slice(2, 4)):
        images, *targets = (Tensor(values[half]) for values in four_images())
        (_, terms), gradients = gradients_of(images, grid(), *targets)
        halves.append([terms.asnumpy(), *(gradient.asnumpy() for gradient in gradients)])
    terms, *gradients = (np.mean(pair, axis=0) for pair in zip(*halves, strict=True))
    return terms, gradients


@pytest.mark.parametrize(
    ("mode", "loss_scale", "clip"),
    [(mindspore.PYNATIVE_MODE, 1.0, 0.0), (mindspore.GRAPH_MODE, 64.0, 2.0)],
)
def test_two_halves_are_their_mean(mode, loss_scale, clip):
    net = network(mode)
    settings = published(OptimizerSettings, weight_decay=0.0, momentum=0.0)
    optimizer = new_optimizer(net, np.full(4, RATE, np.float32), settings)
    step = AccumulatedStep(2, ForwardLoss(net, published_loss(), loss_scale), optimizer, 1, clip)
    step.set_train(True)
    freeze_batch_norm(net)
    expected = {parameter.name: parameter.asnumpy().copy() for parameter in net.trainable_params()}
    images, *targets = map(Tensor, four_images())
    # The second update shows whether the sums begin at 0 again.
    for _ in range(2):
        mindspore.set_context(mode=mode)
        terms = step(images, grid(), *targets).asnumpy()
        mean_terms, gradients = mean_gradients(expected)
        np.testing.assert_allclose(terms, mean_terms, rtol=1e-4)
        norm = np.sqrt(sum(np.square(gradient.astype(np.float64)).sum() for gradient in gradients))
        assert norm > 10
        factor = min(1, clip / norm) if clip else 1
        for (name, value), gradient in zip(expected.items(), gradients, strict=True):
            expected[name] = (value - RATE * factor * gradient).astype(np.float32)
        for parameter in net.trainable_params():
            np.testing.assert_allclose(
                parameter.asnumpy(), expected[parameter.name], rtol=1e-4, atol=2e-6 * factor, err_msg=parameter.name
            )
