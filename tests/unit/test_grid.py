import numpy as np
from mindspore import Tensor

from yolov3.network import decode
from yolov3.network.grid import decode_boxes, encode_boxes, prediction_grid

ANCHORS = ((10, 13), (16, 30), (33, 23), (30, 61), (62, 45), (59, 119), (116, 90), (156, 198), (373, 326))


def some_predictions():
    grid = prediction_grid((64, 96), ANCHORS)
    return np.random.default_rng(0).normal(0, 2, (len(grid), 4)).astype(np.float32), grid


def test_encoding_is_the_inverse_of_decoding():
    encoded, grid = some_predictions()
    again = encode_boxes(decode_boxes(encoded, grid), grid)
    np.testing.assert_allclose(again[:, :2], 1 / (1 + np.exp(-encoded[:, :2])), atol=1e-5)
    np.testing.assert_allclose(again[:, 2:], encoded[:, 2:], atol=1e-5)


def test_mindspore_decodes_as_numpy_does():
    encoded, grid = some_predictions()
    columns = [Tensor(np.ascontiguousarray(part)) for part in np.split(grid, 3, axis=1)]
    decoded = [part.asnumpy() for part in decode.decode_boxes(Tensor(encoded), *columns)]
    np.testing.assert_allclose(np.concatenate(decoded, axis=1), decode_boxes(encoded, grid), rtol=1e-5)
