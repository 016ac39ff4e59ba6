"""A training step as a compiled graph: normalisation, network, loss, gradients and update."""

import math
from pathlib import Path

import mindspore
import numpy as np
from mindspore import Tensor, nn, ops
from mindspore.amp import DynamicLossScaler

from yolov3.network.darknet53 import DarkNet53
from yolov3.network.settings import ANCHORS_PER_STRIDE, STRIDES
from yolov3.network.yolo import YOLOv3
from yolov3.training.average import WeightAverage
from yolov3.training.channels_last import channels_last_twin
from yolov3.training.loss import YoloLoss
from yolov3.training.precision import network_to_train
from yolov3.training.update import ParameterUpdate


class ForwardLoss(nn.Cell):
    """Normalisation, network and loss of uint8 images.

    Args:
        network: the network.
        loss: its loss.
        loss_scale: factor of the loss; or a scaler, which an `AccumulatedStep` adjusts.
        amp_level, sync_ranks: see `network_to_train`.
        kernel_library: built operators of native_training/, see `channels_last_twin`; None for those of MindSpore.
    """

    def __init__(
        self,
        network: YOLOv3,
        loss: YoloLoss,
        loss_scale: float | DynamicLossScaler,
        amp_level: str = "O0",
        sync_ranks: int = 1,
        kernel_library: Path | None = None,
    ) -> None:
        super().__init__(auto_prefix=False)
        self.has_channels_last = kernel_library is not None
        if kernel_library is None:
            self.network = network_to_train(network, amp_level, sync_ranks)
        else:
            self.network = channels_last_twin(network, kernel_library)
        self.loss = loss
        self.scaler = None if isinstance(loss_scale, float | int) else loss_scale
        self.loss_scale = loss_scale if self.scaler is None else self.scaler.scale_value
        mean_std = network.settings.mean_std
        shape = (1, 1, 1, 3) if self.has_channels_last else (1, 3, 1, 1)
        self.mean = Tensor(np.array(mean_std.mean_rgb, np.float32).reshape(shape) * 255)
        self.inverse_std = Tensor(1 / (np.array(mean_std.std_rgb, np.float32).reshape(shape) * 255))

    def construct(self, images: Tensor, grid: Tensor, *targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return (loss * loss_scale, terms of the loss, float32 [terms]); images are uint8 [N, H, W, 3] RGB."""
        if not self.has_channels_last:
            images = images.transpose((0, 3, 1, 2))
        pixels = ops.cast(images, mindspore.float32)
        raw_maps = self.network((pixels - self.mean) * self.inverse_std)
        loss_terms = ops.stack(self.loss(raw_maps, grid, *targets))
        return loss_terms.sum() * self.loss_scale, loss_terms


class TrainStep(nn.Cell):
    """Forward and backward pass and an update of the parameters; returns the loss terms before it, float32 [terms].

    Args:
        forward: network and loss.
        optimizer: optimizer of the trained parameters.
        group_size: number of ranks whose gradients are averaged.
        gradient_clip: maximum of the global norm of the gradients; 0 for none.
        average: moving average of the weights, which is saved with the step and follows it; None for none.
    """

    def __init__(
        self,
        forward: ForwardLoss,
        optimizer: nn.Optimizer,
        group_size: int,
        gradient_clip: float = 0.0,
        average: WeightAverage | None = None,
    ) -> None:
        super().__init__(auto_prefix=False)
        self.forward, self.optimizer, self.average = forward, optimizer, average
        self.update = ParameterUpdate(forward.loss_scale, optimizer, group_size, gradient_clip)
        self.gradients_of = mindspore.value_and_grad(forward, None, optimizer.parameters, has_aux=True)

    def construct(self, images: Tensor, grid: Tensor, *targets: Tensor) -> Tensor:
        """Run the step; see `ForwardLoss` for the arguments."""
        (_, loss_terms), gradients = self.gradients_of(images, grid, *targets)
        return ops.depend(loss_terms, self.update(gradients))


def set_training(step: nn.Cell) -> None:
    """Set a step to training mode, except a backbone that is not trained."""
    step.set_train()
    for _, cell in step.cells_and_names():
        if isinstance(cell, DarkNet53) and not cell.trainable_params():
            cell.set_train(False)


def freeze_backbone(network: YOLOv3) -> None:
    """Exclude the backbone from the training: its weights and, see `set_training`, its BatchNorm statistics."""
    for parameter in network.backbone.get_parameters():
        parameter.requires_grad = False


def set_objectness_prior(network: YOLOv3, prior: float) -> None:
    """Initialise the objectness biases so that every prediction starts at confidence `prior`, 0..1.

    As most predictions are background, a low prior saves about a thousand steps of a training from scratch
    (arXiv:1708.02002, section 3.3).
    """
    for stride in STRIDES:
        bias = getattr(network, f"branch_{stride}").head.bias
        values = bias.asnumpy().reshape(ANCHORS_PER_STRIDE, network.settings.values_per_anchor)
        values[:, 4] = math.log(prior / (1 - prior))
        bias.set_data(Tensor(values.reshape(-1)))
