"""Mixed precision: a twin of the network that computes in float16 and shares its float32 parameters."""

import mindspore
from mindspore import Tensor, nn, ops

from yolov3.network.yolo import YOLOv3
from yolov3.training.sync_batch_norm import SyncBatchNorm, synchronise_batch_norm
from yolov3.training.twin import twin_of


def network_to_train(network: YOLOv3, level: str = "O0", sync_ranks: int = 1) -> nn.Cell:
    """Return the network to train: itself at level O0, else a twin with the same parameters that computes in float16.

    `auto_mixed_precision` changes a network in place; `network` itself has to stay in float32, because it is what is
    validated and written.

    Args:
        network: the network, with float32 parameters.
        level: O0, auto (convolutions in float16) or O2 (all but BatchNorm in float16), as MindSpore defines them.
        sync_ranks: number of ranks over whose batches BatchNorm normalises together.
    """
    if level == "O0":
        if sync_ranks > 1:
            synchronise_batch_norm(network, sync_ranks)
        return network
    twin = twin_of(network)
    if sync_ranks > 1:
        synchronise_batch_norm(twin, sync_ranks)
    if level == "O2":
        # As auto_mixed_precision does, with one class more.
        kept = [*mindspore.amp.get_black_list(), SyncBatchNorm]
        return _Float32Maps(mindspore.amp.custom_mixed_precision(twin, black_list=kept))
    return _Float32Maps(mindspore.amp.auto_mixed_precision(twin, level))


class _Float32Maps(nn.Cell):
    """Raw maps in float32, as the loss needs them; with level auto they may be in float16."""

    def __init__(self, network: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.network = network

    def construct(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        raw_8, raw_16, raw_32 = self.network(pixels)
        return (
            ops.cast(raw_8, mindspore.float32),
            ops.cast(raw_16, mindspore.float32),
            ops.cast(raw_32, mindspore.float32),
        )
