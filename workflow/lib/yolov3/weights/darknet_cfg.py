"""Write Darknet's description (.cfg) of a network, for programs that read Darknet's files, such as OpenCV."""

from yolov3.errors import InputError
from yolov3.network.settings import ANCHORS_PER_STRIDE, STRIDES, NetworkSettings


class _Sections:
    """Sections of a cfg; layers are numbered from 0, not counting the leading `[net]` section."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, kind: str, **values: object) -> int:
        """Append a layer and return its number."""
        self.texts.append("\n".join([f"[{kind}]", *(f"{key}={value}" for key, value in values.items())]))
        return len(self.texts) - 1

    def add_block(self, filters: int, size: int, stride: int = 1) -> int:
        """Append a convolution with batch normalisation and leaky ReLU."""
        return self.add(
            "convolutional", batch_normalize=1, filters=filters, size=size, stride=stride, pad=1, activation="leaky"
        )


def darknet_cfg(settings: NetworkSettings, width: int, height: int) -> str:
    """Return the text of a cfg whose layers are those of YOLOv3(settings), in the same order.

    The input is `width` x `height` pixels, multiples of 32.

    Raises:
        InputError: Darknet has no such network.
    """
    if settings.compatibility != "darknet":
        raise InputError(
            f"a network of compatibility {settings.compatibility} cannot be written as a Darknet cfg, because its "
            "activations and padding differ: give one of compatibility darknet"
        )
    sections = _Sections()
    feature_layers = _add_backbone(sections, settings)
    _add_branch(sections, settings, 32, settings.backbone_shape[-1] // 2)
    for stride, feature_layer in ((16, feature_layers[16]), (8, feature_layers[8])):
        feature_channels = settings.backbone_shape[STRIDES.index(stride) - len(STRIDES)]
        # Back over [yolo], the head and the 3x3 convolution to the last of the five neck convolutions.
        sections.add("route", layers=-4)
        sections.add_block(feature_channels // 2, 1)
        sections.add("upsample", stride=2)
        sections.add("route", layers=f"-1,{feature_layer}")
        _add_branch(sections, settings, stride, feature_channels // 2)
    net = f"[net]\nbatch=1\nsubdivisions=1\nwidth={width}\nheight={height}\nchannels=3"
    return "\n\n".join([net, *sections.texts]) + "\n"


def _add_backbone(sections: _Sections, settings: NetworkSettings) -> dict[int, int]:
    """Append the backbone and return the layer number of its feature map of each stride."""
    sections.add_block(settings.backbone_shape[0] // 2, 3)
    last_layers = {}
    for stage, (channels, blocks) in enumerate(zip(settings.backbone_shape, settings.backbone_layers, strict=True)):
        sections.add_block(channels, 3, stride=2)
        for _ in range(blocks):
            sections.add_block(channels // 2, 1)
            sections.add_block(channels, 3)
            last_layers[2 ** (stage + 1)] = sections.add("shortcut", **{"from": -3, "activation": "linear"})
    return last_layers


def _add_branch(sections: _Sections, settings: NetworkSettings, stride: int, channels: int) -> None:
    for filters, size in ((channels, 1), (2 * channels, 3)) * 3:
        sections.add_block(filters, size)
    head_filters = ANCHORS_PER_STRIDE * settings.values_per_anchor
    sections.add("convolutional", filters=head_filters, size=1, stride=1, pad=1, activation="linear")
    first = STRIDES.index(stride) * ANCHORS_PER_STRIDE
    mask = ",".join(str(first + index) for index in range(ANCHORS_PER_STRIDE))
    anchors = ", ".join(f"{width:g},{height:g}" for width, height in settings.anchors)
    sections.add("yolo", mask=mask, anchors=anchors, classes=settings.num_classes, num=len(settings.anchors))
