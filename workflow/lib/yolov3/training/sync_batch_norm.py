"""BatchNorm over the batches of all ranks, which helps if a rank has few images (arXiv:1711.07240, section 3.3)."""

from mindspore import Tensor, nn, ops

from yolov3.network.darknet53 import ConvBlock
from yolov3.network.yolo import YOLOv3


class SyncBatchNorm(nn.Cell):
    """A BatchNorm layer that in training normalises by mean and variance of the batches of all ranks together.

    nn.SyncBatchNorm exists on Ascend only.

    Args:
        layer: the layer whose parameters and settings it takes.
        group_size: number of ranks; all have batches of the same shape.
    """

    def __init__(self, layer: nn.BatchNorm2d, group_size: int) -> None:
        super().__init__(auto_prefix=False)
        self.gamma, self.beta = layer.gamma, layer.beta
        self.moving_mean, self.moving_variance = layer.moving_mean, layer.moving_variance
        self.epsilon = layer.eps
        # nn.BatchNorm2d stores the share of the new statistics.
        self.new_share = layer.momentum
        self.group_size = group_size
        self.all_reduce = ops.AllReduce(ops.ReduceOp.SUM)
        self.add_offset = ops.BiasAdd()
        self.inference = layer.bn_infer

    def construct(self, x: Tensor) -> Tensor:
        """Normalise float32 [N, C, H, W]; in training also move the running statistics."""
        if not self.training:
            return self.inference(x, self.gamma, self.beta, self.moving_mean, self.moving_variance)[0]
        images, channels, height, width = x.shape
        count = images * height * width * self.group_size
        # Differences to the running mean, which all ranks share, keep the variance exact where it is small.
        centre = ops.stop_gradient(self.moving_mean.value())
        shifted = x - centre.reshape((1, channels, 1, 1))
        sums = self.all_reduce(ops.stack((shifted.sum((0, 2, 3)), ops.square(shifted).sum((0, 2, 3)))))
        mean = sums[0] / count
        variance = ops.relu(sums[1] / count - ops.square(mean))
        scale = self.gamma * ops.rsqrt(variance + self.epsilon)
        offset = self.beta - mean * scale
        # As nn.BatchNorm2d, which averages the unbiased variance.
        unbiased = ops.stop_gradient(variance) * (count / (count - 1))
        ops.assign_add(self.moving_mean, self.new_share * ops.stop_gradient(mean))
        ops.assign_add(self.moving_variance, self.new_share * (unbiased - self.moving_variance))
        # Not an addition of a reshaped offset: the fused all-reduce of gradients reads wrong memory if the gradient of
        # beta is a reshaped tensor (MindSpore 2.10 on the CPU).
        return self.add_offset(shifted * scale.reshape((1, channels, 1, 1)), offset)


def synchronise_batch_norm(network: YOLOv3, group_size: int) -> None:
    """Replace the BatchNorm layers of a network; its parameters and their names stay as they are."""
    names = {parameter: parameter.name for parameter in network.get_parameters()}
    for _, block in network.cells_and_names():
        if isinstance(block, ConvBlock):
            block.batch_norm = SyncBatchNorm(block.batch_norm, group_size)
    for parameter, name in names.items():
        parameter.name = name
