"""DarkNet53, the backbone of YOLOv3 (Redmon and Farhadi, "YOLOv3: An Incremental Improvement", 2018, table 1)."""

from dataclasses import dataclass

from mindspore import Parameter, Tensor, nn, ops

from yolov3.network.settings import NetworkSettings

# As in OpenCV's importer, added to the variance; Darknet adds it to the standard deviation.
BATCH_NORM_EPSILON = 1e-6
# MindSpore's default, as in the model zoo code.
MODELZOO_BATCH_NORM_EPSILON = 1e-5
LEAKY_SLOPE = 0.1


class LeakyReLU(nn.Cell):
    """Leaky ReLU, max(x, 0.1 x), in a form with a fast gradient for training.

    On the CPU the gradient of a maximum takes longer than that of a convolution; 0.1 x + 0.9 relu(x) is equal and 4
    times faster forward and backward. Inference and export use nn.LeakyReLU, which runtimes recognise and fuse.
    """

    def __init__(self) -> None:
        super().__init__()
        self.inference_form = nn.LeakyReLU(LEAKY_SLOPE)

    def construct(self, x: Tensor) -> Tensor:
        """Apply the activation to a tensor of any shape."""
        if self.training:
            return LEAKY_SLOPE * x + (1.0 - LEAKY_SLOPE) * ops.relu(x)
        return self.inference_form(x)


@dataclass(frozen=True)
class BlockOptions:
    """Options shared by all blocks of a network; see `NetworkSettings` for the fields of the same names.

    Attributes:
        in_backbone: whether the block belongs to the backbone, which has ReLU in checkpoints of the model zoo code.
    """

    compatibility: str
    batch_norm_momentum: float
    in_backbone: bool = False


class ConvBlock(nn.Cell):
    """Convolution without bias, batch normalisation and activation, as in Darknet's `[convolutional]` section.

    Input float [N, in_channels, H, W]; output float [N, out_channels, ceil(H / stride), ceil(W / stride)].
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        *,
        options: BlockOptions,
    ) -> None:
        super().__init__()
        is_modelzoo = options.compatibility == "modelzoo"
        # Darknet pads all sides by kernel // 2; at stride 2, "same" would pad only right and bottom.
        padding = {"pad_mode": "same"} if is_modelzoo else {"pad_mode": "pad", "padding": kernel_size // 2}
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, has_bias=False, **padding)
        epsilon = MODELZOO_BATCH_NORM_EPSILON if is_modelzoo else BATCH_NORM_EPSILON
        self.batch_norm = nn.BatchNorm2d(out_channels, eps=epsilon, momentum=options.batch_norm_momentum)
        self.activation = nn.ReLU() if is_modelzoo and options.in_backbone else LeakyReLU()

    def construct(self, x: Tensor) -> Tensor:
        """Apply the block."""
        return self.activation(self.batch_norm(self.conv(x)))


def running_statistics(network: nn.Cell) -> list[Parameter]:
    """Return the running means and variances of the BatchNorm layers of a network."""
    names = ("moving_mean", "moving_variance")
    return [parameter for parameter in network.get_parameters() if parameter.name.endswith(names)]


class ResidualBlock(nn.Cell):
    """1x1 convolution to half the channels and 3x3 convolution back, plus the input; float [N, channels, H, W]."""

    def __init__(self, channels: int, options: BlockOptions) -> None:
        super().__init__()
        self.reduce = ConvBlock(channels, channels // 2, 1, options=options)
        self.expand = ConvBlock(channels // 2, channels, 3, options=options)

    def construct(self, x: Tensor) -> Tensor:
        """Apply the block."""
        return x + self.expand(self.reduce(x))


class DarkNet53(nn.Cell):
    """Convolutional backbone.

    Args:
        settings: settings of the network; anchors and classes are not used. DarkNet53 has five stages of 64, 128, 256,
            512, 1024 output channels and 1, 2, 8, 8, 4 residual blocks.

    Input: float32 [N, 3, H, W], H and W multiples of 32.
    Output: the features at strides 8, 16, 32: [N, backbone_shape[-3], H/8, W/8] and so on.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        options = BlockOptions(settings.compatibility, settings.batch_norm_momentum, in_backbone=True)
        in_channels = settings.backbone_shape[0] // 2
        self.root = ConvBlock(3, in_channels, 3, options=options)
        stages = []
        # zip(strict=True) does not exist in Python 3.9, which quantization for Ascend uses.
        for out_channels, blocks in zip(settings.backbone_shape, settings.backbone_layers):  # noqa: B905
            downsample = ConvBlock(in_channels, out_channels, 3, stride=2, options=options)
            residuals = [ResidualBlock(out_channels, options=options) for _ in range(blocks)]
            stages.append(nn.SequentialCell(downsample, *residuals))
            in_channels = out_channels
        self.stages = nn.CellList(stages)

    def construct(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the features at strides 8, 16 and 32."""
        x = self.stages[1](self.stages[0](self.root(x)))
        stride_8 = self.stages[2](x)
        stride_16 = self.stages[3](stride_8)
        stride_32 = self.stages[4](stride_16)
        return stride_8, stride_16, stride_32
