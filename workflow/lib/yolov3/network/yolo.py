"""YOLOv3 network: backbone, neck and heads with raw outputs, without decoding and loss (arXiv:1804.02767)."""

from mindspore import Tensor, nn, ops

from yolov3.network.darknet53 import BlockOptions, ConvBlock, DarkNet53
from yolov3.network.settings import ANCHORS_PER_STRIDE, NetworkSettings


class DetectionBranch(nn.Cell):
    """Five convolutions, then the head of one stride.

    Args:
        in_channels: channels of the input.
        channels: c; the five convolutions have c, 2c, c, 2c, c output channels.
        out_channels: channels of the raw output, 3 * (5 + C).

    Input float [N, in_channels, gh, gw]; outputs the route for the next stride, float [N, c, gh, gw], and the raw
    output, float [N, out_channels, gh, gw].
    """

    def __init__(self, in_channels: int, channels: int, out_channels: int, options: BlockOptions) -> None:
        super().__init__()
        self.neck = nn.SequentialCell(
            ConvBlock(in_channels, channels, 1, options=options),
            ConvBlock(channels, 2 * channels, 3, options=options),
            ConvBlock(2 * channels, channels, 1, options=options),
            ConvBlock(channels, 2 * channels, 3, options=options),
            ConvBlock(2 * channels, channels, 1, options=options),
        )
        self.expand = ConvBlock(channels, 2 * channels, 3, options=options)
        self.head = nn.Conv2d(2 * channels, out_channels, 1, has_bias=True)

    def construct(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return (route, raw output)."""
        route = self.neck(x)
        return route, self.head(self.expand(route))


class UpsampleConcat(nn.Cell):
    """1x1 convolution to half the channels and nearest upsampling by 2, concatenated with the backbone feature."""

    def __init__(self, in_channels: int, options: BlockOptions) -> None:
        super().__init__()
        self.reduce = ConvBlock(in_channels, in_channels // 2, 1, options=options)

    def construct(self, route: Tensor, feature: Tensor) -> Tensor:
        """Return float [N, in_channels / 2 + feature channels, gh, gw] at the feature's size."""
        route = self.reduce(route)
        route = ops.ResizeNearestNeighbor((route.shape[2] * 2, route.shape[3] * 2))(route)
        return ops.concat((route, feature), 1)


class YOLOv3(nn.Cell):
    """YOLOv3 with raw outputs.

    Input: float32 [N, 3, H, W] RGB, normalised, H and W multiples of 32.
    Output: raw maps at strides 8, 16 and 32, each float32 [N, 3 * (5 + C), H / stride, W / stride].
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        options = BlockOptions(settings.compatibility, settings.batch_norm_momentum)
        self.backbone = DarkNet53(settings)
        channels_8, channels_16, channels_32 = settings.backbone_shape[-3:]
        out_channels = ANCHORS_PER_STRIDE * settings.values_per_anchor

        # In the order of Darknet's files, which `weights.layers` relies on.
        self.branch_32 = DetectionBranch(channels_32, channels_32 // 2, out_channels, options=options)
        self.up_16 = UpsampleConcat(channels_32 // 2, options=options)
        self.branch_16 = DetectionBranch(
            channels_32 // 4 + channels_16, channels_16 // 2, out_channels, options=options
        )
        self.up_8 = UpsampleConcat(channels_16 // 2, options=options)
        self.branch_8 = DetectionBranch(channels_16 // 4 + channels_8, channels_8 // 2, out_channels, options=options)

    def construct(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the raw maps of strides 8, 16, 32."""
        feature_8, feature_16, feature_32 = self.backbone(images)
        route_32, raw_32 = self.branch_32(feature_32)
        route_16, raw_16 = self.branch_16(self.up_16(route_32, feature_16))
        # Unpacking a route that nothing uses makes MindSpore warn of eliminated nodes at every start.
        raw_8 = self.branch_8(self.up_8(route_16, feature_8))[1]
        return raw_8, raw_16, raw_32
