"""Helpers of all quantization back ends: select layers to keep in float, and describe quantized tensors."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from yolov3.errors import InputError


def layers_kept_float(skip_layers: str, layers: Sequence[str]) -> list[str]:
    """Return the layers that match `skip_layers`, in their order.

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
                f"skip_layers has {pattern}, which matches no convolution: give names or patterns such as "
                f"branch_*.head (the first are {', '.join(layers[:3])}, the last is {layers[-1] if layers else 'none'})"
            )
    return [layer for layer in layers if any(fnmatchcase(layer, pattern) for pattern in patterns)]


def describe_tensor(dtype: str, scales: Sequence[float], zero_point: int) -> dict[str, Any]:
    """Describe a tensor with values (quantized - zero_point) * scale.

    Args:
        dtype: dtype of the quantized values, such as "int8".
        scales: one scale for the tensor, or one per channel.
        zero_point: zero point of the first channel.

    Returns:
        "dtype" and "channels", the number of scales; for one scale "scale", "zero_point" and "range", the smallest and
        largest representable value; for several "smallest_scale" and "largest_scale".
    """
    entry: dict[str, Any] = {"dtype": dtype, "channels": len(scales)}
    if len(scales) > 1:
        return {**entry, "smallest_scale": min(scales), "largest_scale": max(scales)}
    scale, limits = scales[0], np.iinfo(dtype)
    value_range = [(limits.min - zero_point) * scale, (limits.max - zero_point) * scale]
    return {**entry, "scale": scale, "zero_point": zero_point, "range": value_range}
