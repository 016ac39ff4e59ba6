"""What ranks exchange."""

import numpy as np
from mindspore import Tensor

from yolov3.distributed import worker


def test_sums_over_ranks_are_exact_beyond_float32(monkeypatch):
    ranks = 65536
    monkeypatch.setattr(worker, "_Sum", lambda: lambda values: Tensor(values.asnumpy() * np.float32(ranks)))
    for value in (0, 2**24 + 1, 10**12 + 7):
        assert worker.sum_over_ranks(value) == ranks * value
