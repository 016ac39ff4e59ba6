"""The configuration of AIPP, the image preprocessing that Ascend runs in front of a network.

Source: CANN's guide to atc, "AIPP Enablement": a value is converted to (x - mean_chn - min_chn) * var_reci_chn.
"""

from pathlib import Path

from yolov3.export.description import ModelDescription
from yolov3.network.grid import InputSize
from yolov3.network.settings import MeanStd

# The formats of pixels that the native program writes: that of DVPP, and plain RGB.
YUV420SP = "YUV420SP_U8"
RGB = "RGB888_U8"
# YUV420SP has colours of half the resolution. benchmarks/jpeg_path.py measures what that costs: nothing at 320, but AP
# 0.014 at 128.
MIN_YUV420SP_SIDE = 320
# From the colours of JPEG (BT.601, all values from 0 to 255) to RGB, in 1/256, as the guide lists it.
_JPEG_TO_RGB = ((256, 0, 359), (256, -88, -183), (256, 454, 0))
_JPEG_BIAS = (0, 128, 128)


def aipp_config(input_format: str, input_size: InputSize, mean_std: MeanStd) -> str:
    """Return the static configuration that gives a network, which takes RGB, its normalised input.

    Args:
        input_format: `YUV420SP` (NV12) or `RGB`, uint8.
        input_size: (height, width) of the network input in pixels.
        mean_std: normalisation of the network.
    """
    values: dict[str, object] = {
        "aipp_mode": "static",
        "input_format": input_format,
        "src_image_size_w": input_size[1],
        "src_image_size_h": input_size[0],
        "csc_switch": "true" if input_format == YUV420SP else "false",
    }
    if input_format == YUV420SP:
        values["rbuv_swap_switch"] = "false"
        for row, factors in enumerate(_JPEG_TO_RGB):
            values |= {f"matrix_r{row}c{column}": factor for column, factor in enumerate(factors)}
        values |= {f"input_bias_{channel}": bias for channel, bias in enumerate(_JPEG_BIAS)}
    for channel, (mean, std) in enumerate(zip(mean_std.mean_rgb, mean_std.std_rgb, strict=True)):
        # mean_chn takes whole numbers only; the rest is small enough to be exact in half precision.
        whole = int(mean * 255)
        values[f"mean_chn_{channel}"] = whole
        values[f"min_chn_{channel}"] = f"{mean * 255 - whole:.6f}"
        values[f"var_reci_chn_{channel}"] = f"{1 / (std * 255):.9f}"
    lines = "".join(f"    {key}: {value}\n" for key, value in values.items())
    return f"aipp_op {{\n{lines}}}\n"


def model_aipp(model: Path, infer_input: str, description: ModelDescription) -> str:
    """Return the configuration for a model to be converted; "" if the program is to normalise the images.

    Engine acl decodes JPEG files on the device, which gives YUV420SP. Large networks take it as it is; for a small one
    the program makes RGB of full resolution from it. MindSpore Lite gets RGB from the program.

    Args:
        model: file to be written; .om and .mindir run on Ascend.
        infer_input: config key infer.input, "bins" or "jpeg".
        description: description of the network.
    """
    if infer_input != "jpeg" or model.suffix not in (".om", ".mindir"):
        return ""
    is_large = min(description.input_size) >= MIN_YUV420SP_SIDE
    input_format = YUV420SP if model.suffix == ".om" and is_large else RGB
    return aipp_config(input_format, description.input_size, description.mean_std)
