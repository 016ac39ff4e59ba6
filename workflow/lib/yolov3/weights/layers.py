"""List the convolutions of a network in the order of Darknet's cfg and weight files."""

from collections.abc import Iterator
from dataclasses import dataclass

from mindspore import nn

from yolov3.network.darknet53 import ConvBlock, DarkNet53
from yolov3.network.yolo import DetectionBranch, YOLOv3

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
    return [_layer(name, cell) for name, cell in _backbone_blocks(backbone)]


def network_layers(network: YOLOv3) -> list[DarknetLayer]:
    """Return the convolutions of the whole network (75 for DarkNet53) in the order of yolov3.cfg."""
    branches: list[tuple[str, nn.Cell]] = [
        *_branch_blocks("branch_32", network.branch_32),
        ("up_16.reduce", network.up_16.reduce),
        *_branch_blocks("branch_16", network.branch_16),
        ("up_8.reduce", network.up_8.reduce),
        *_branch_blocks("branch_8", network.branch_8),
    ]
    return backbone_layers(network.backbone) + [_layer(name, cell) for name, cell in branches]


def _backbone_blocks(backbone: DarkNet53) -> Iterator[tuple[str, ConvBlock]]:
    yield f"{BACKBONE_PREFIX}root", backbone.root
    for stage_index, stage in enumerate(backbone.stages):
        for index, cell in enumerate(stage):
            name = f"{BACKBONE_PREFIX}stages.{stage_index}.{index}"
            if isinstance(cell, ConvBlock):
                yield name, cell
            else:
                yield f"{name}.reduce", cell.reduce
                yield f"{name}.expand", cell.expand


def _branch_blocks(name: str, branch: DetectionBranch) -> Iterator[tuple[str, nn.Cell]]:
    for index, block in enumerate(branch.neck):
        yield f"{name}.neck.{index}", block
    yield f"{name}.expand", branch.expand
    yield f"{name}.head", branch.head


def _layer(name: str, cell: nn.Cell) -> DarknetLayer:
    has_batch_norm = isinstance(cell, ConvBlock)
    convolution = cell.conv if has_batch_norm else cell
    return DarknetLayer(name, tuple(convolution.weight.shape), has_batch_norm)
