"""The configuration of AIPP: computed by the formulas of CANN's guide it gives the network what Python gives it."""

import cv2
import numpy as np
import pytest

from yolov3.export.description import ModelDescription
from yolov3.native.aipp import RGB, YUV420SP, aipp_config, model_aipp
from yolov3.network.preprocess import normalise
from yolov3.network.settings import NORMALISATIONS

ANCHORS = ((10.0, 13.0),) * 9


def values_of(text: str) -> dict[str, str]:
    """Parse a configuration of one operator."""
    begin, *lines, end = text.splitlines()
    assert (begin, end) == ("aipp_op {", "}")
    pairs = [line.strip().split(": ") for line in lines]
    assert len({key for key, _ in pairs}) == len(pairs)
    return dict(pairs)


def computed(values: dict[str, str], pixels: np.ndarray) -> np.ndarray:
    """Return float32 [3, H, W] for uint8 [H, W, 3] of the input format, all at full resolution."""
    stored = pixels.astype(int)
    if values["csc_switch"] == "true":
        matrix = [[int(values[f"matrix_r{row}c{column}"]) for column in range(3)] for row in range(3)]
        bias = [int(values[f"input_bias_{channel}"]) for channel in range(3)]
        stored = np.clip(((stored - bias) @ np.transpose(matrix)) >> 8, 0, 255)
    numbers = [[float(values[f"{name}_{channel}"]) for channel in range(3)] for name in ("mean_chn", "min_chn")]
    factors = [float(values[f"var_reci_chn_{channel}"]) for channel in range(3)]
    return ((stored - numbers[0] - numbers[1]) * factors).astype(np.float32).transpose(2, 0, 1)


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_rgb_is_normalised_as_in_python(normalisation):
    mean_std = NORMALISATIONS[normalisation]
    values = values_of(aipp_config(RGB, (320, 416), mean_std))
    assert (values["src_image_size_h"], values["src_image_size_w"]) == ("320", "416")
    assert (values["aipp_mode"], values["input_format"], values["csc_switch"]) == ("static", "RGB888_U8", "false")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    np.testing.assert_allclose(computed(values, pixels), normalise(pixels, mean_std), atol=1e-5)
    # mean_chn takes whole numbers.
    assert all(values[f"mean_chn_{channel}"].isdigit() for channel in range(3))


def test_the_colours_of_jpeg_are_converted_to_rgb():
    mean_std = NORMALISATIONS["unit"]
    values = values_of(aipp_config(YUV420SP, (416, 416), mean_std))
    assert (values["input_format"], values["rbuv_swap_switch"]) == ("YUV420SP_U8", "false")
    rgb = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    # OpenCV's order is Y, Cr, Cb, of the full range.
    yuv = cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]]
    # Rounded four times, AIPP's last time down.
    np.testing.assert_allclose(computed(values, yuv) * 255, normalise(rgb, mean_std) * 255, atol=3.01)


@pytest.mark.parametrize(
    ("name", "side", "infer_input", "input_format"),
    [
        ("net.om", 416, "jpeg", YUV420SP),
        ("net.om", 320, "jpeg", YUV420SP),
        # Colours of half the resolution would cost AP.
        ("net.om", 288, "jpeg", RGB),
        ("net.mindir", 416, "jpeg", RGB),
        ("net.ms", 416, "jpeg", None),
        ("net.onnx", 416, "jpeg", None),
        ("net.om", 416, "bins", None),
        ("net.mindir", 416, "bins", None),
    ],
)
def test_which_models_normalise(tmp_path, name, side, infer_input, input_format):
    mean_std = NORMALISATIONS["imagenet"]
    description = ModelDescription(
        (side, side), 1, "images", ANCHORS, ("a",), (1,), False, False, mean_std.mean_rgb, mean_std.std_rgb
    )
    expected = aipp_config(input_format, (side, side), mean_std) if input_format else ""
    assert model_aipp(tmp_path / name, infer_input, description) == expected
