"""Which layers quantization leaves in float."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from yolov3.errors import InputError


def float_layers(skip_layers: str, layers: Sequence[str]) -> list[str]:
    """Return the layers that match, in their order.

    Args:
        skip_layers: names or shell patterns of convolutions, separated by commas, such as "branch_*.head".
        layers: names of the network's convolutions.

    Raises:
        InputError: a pattern matches no layer.
    """
    patterns = [pattern.strip() for pattern in skip_layers.split(",") if pattern.strip()]
    for pattern in patterns:
        if not any(fnmatchcase(layer, pattern) for layer in layers):
            raise InputError(
                f"skip_layers has {pattern}, which no convolution is named: the first are {', '.join(layers[:3])}, the "
                f"last {layers[-1] if layers else 'none'}; patterns such as branch_*.head are allowed"
            )
    return [layer for layer in layers if any(fnmatchcase(layer, pattern) for pattern in patterns)]
