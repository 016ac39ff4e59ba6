"""How a tensor of an int8 model is quantized, as the quantization reports it."""

from collections.abc import Sequence
from typing import Any

import numpy as np


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
