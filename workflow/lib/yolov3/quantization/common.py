"""What the quantization back ends share: which layers stay in float, and how a quantized tensor is described."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from yolov3.errors import InputError


def layers_kept_float(skip_layers: str, layers: Sequence[str]) -> list[str]:
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


def describe_tensor(dtype: str, scales: Sequence[float], zero_point: int) -> dict[str, Any]:
    """Describe a tensor of value (quantized - zero point) * scale.

    Args:
        dtype: of the quantized values, such as "int8".
        scales: one for the tensor, or one a channel.
        zero_point: of the first channel.

    Returns:
        "dtype" and "channels", the number of scales; for one scale "scale", "zero_point" and "range", the smallest and
        largest value that can be expressed; for several "smallest_scale" and "largest_scale".
    """
    entry: dict[str, Any] = {"dtype": dtype, "channels": len(scales)}
    if len(scales) > 1:
        return {**entry, "smallest_scale": min(scales), "largest_scale": max(scales)}
    scale, limits = scales[0], np.iinfo(dtype)
    value_range = [(limits.min - zero_point) * scale, (limits.max - zero_point) * scale]
    return {**entry, "scale": scale, "zero_point": zero_point, "range": value_range}
