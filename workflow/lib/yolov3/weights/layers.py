"""List the convolutions of a network in the order of Darknet's cfg and weight files."""

from collections.abc import Iterator
from dataclasses import dataclass

from mindspore import nn

from yolov3.network.darknet53 import ConvBlock, DarkNet53
from yolov3.network.yolo import YOLOv3

BACKBONE_PREFIX = "backbone."


@dataclass(frozen=True)
class DarknetLayer:
    """One `[convolutional]` section.

    Attributes:
        name: name of the block or convolution in YOLOv3, such as "backbone.stages.0.1.reduce" or "branch_8.head".
        weight_shape: (filters, input channels, kernel height, kernel width).
        has_batch_norm: True for batch normalisation without a bias, False for a bias without batch normalisation.
    """

    name: str
    weight_shape: tuple[int, int, int, int]
    has_batch_norm: bool

    @property
    def parameters(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """(parameter name, shape) of each array, in the order in which Darknet stores them."""
        filters = self.weight_shape[:1]
        if not self.has_batch_norm:
            return (f"{self.name}.bias", filters), (f"{self.name}.weight", self.weight_shape)
        statistics = tuple(
            (f"{self.name}.batch_norm.{field}", filters)
            for field in ("beta", "gamma", "moving_mean", "moving_variance")
        )
        return (*statistics, (f"{self.name}.conv.weight", self.weight_shape))


def backbone_layers(backbone: DarkNet53) -> list[DarknetLayer]:
    """Return the convolutions of a backbone (52 of them for DarkNet53), named as in YOLOv3."""
    return list(_layers_of(backbone, BACKBONE_PREFIX.rstrip(".")))


def network_layers(network: YOLOv3) -> list[DarknetLayer]:
    """Return the convolutions of the whole network (75 for DarkNet53) in the order of yolov3.cfg."""
    return list(_layers_of(network))


def _layers_of(cell: nn.Cell, prefix: str = "") -> Iterator[DarknetLayer]:
    """Yield the convolutions in the order in which the network creates them, which is Darknet's."""
    for name, block in cell.cells_and_names(name_prefix=prefix):
        if isinstance(block, ConvBlock):
            yield DarknetLayer(name, tuple(block.conv.weight.shape), has_batch_norm=True)
        elif isinstance(block, nn.Conv2d) and block.has_bias:
            yield DarknetLayer(name, tuple(block.weight.shape), has_batch_norm=False)
