"""A network with the parts, names and outputs of YOLOv3 in nine convolutions: a step of it compiles sooner."""

from mindspore import nn

from yolov3.network.darknet53 import BlockOptions, ConvBlock, DarkNet53
from yolov3.network.settings import ANCHORS_PER_STRIDE
from yolov3.network.yolo import YOLOv3


class ShallowBackbone(DarkNet53):
    # A subclass, because a frozen backbone is known by its class.
    def __init__(self, channels, options):
        nn.Cell.__init__(self)
        self.root = ConvBlock(3, channels[-3], 3, 8, options=options)
        self.down_16 = ConvBlock(channels[-3], channels[-2], 3, 2, options=options)
        self.down_32 = ConvBlock(channels[-2], channels[-1], 3, 2, options=options)

    def construct(self, images):
        feature_8 = self.root(images)
        feature_16 = self.down_16(feature_8)
        return feature_8, feature_16, self.down_32(feature_16)


class ShallowBranch(nn.Cell):
    def __init__(self, in_channels, out_channels, options):
        super().__init__()
        self.expand = ConvBlock(in_channels, 2 * in_channels, 3, options=options)
        self.head = nn.Conv2d(2 * in_channels, out_channels, 1, has_bias=True)

    def construct(self, feature):
        return self.head(self.expand(feature))


class ShallowNetwork(YOLOv3):
    """As YOLOv3, without its residual blocks, and without a way from stride 32 back to 8."""

    def __init__(self, settings):
        nn.Cell.__init__(self)
        self.settings = settings
        options = BlockOptions(settings.compatibility, settings.batch_norm_momentum)
        channels, out_channels = settings.backbone_shape, ANCHORS_PER_STRIDE * settings.values_per_anchor
        self.backbone = ShallowBackbone(channels, options)
        self.branch_32 = ShallowBranch(channels[-1], out_channels, options)
        self.branch_16 = ShallowBranch(channels[-2], out_channels, options)
        self.branch_8 = ShallowBranch(channels[-3], out_channels, options)

    def construct(self, images):
        feature_8, feature_16, feature_32 = self.backbone(images)
        return self.branch_8(feature_8), self.branch_16(feature_16), self.branch_32(feature_32)
