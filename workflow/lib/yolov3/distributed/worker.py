"""MindSpore set up for one process: device, graph mode, seed, and the other workers."""

from dataclasses import dataclass

import mindspore
import numpy as np
from mindspore import Tensor, nn, ops

from yolov3.distributed.platform_worker import own_device_id
from yolov3.errors import InputError, first_line
from yolov3.process import available_cpus


@dataclass(frozen=True)
class Worker:
    """This process among those that train together."""

    rank: int = 0
    group_size: int = 1

    @property
    def is_master(self) -> bool:
        """Whether this worker logs and writes the results."""
        return self.rank == 0


def start_runtime(device_target: str, seed: int, is_distributed: bool = False) -> Worker:
    """Choose the device, compile graphs, seed the initialisers and join the other workers.

    Args:
        device_target: CPU, GPU or Ascend.
        seed: of MindSpore's and NumPy's global generators, which the initialisers of layers use.
        is_distributed: the process was started by msrun or a platform and trains with others.

    Raises:
        InputError: the host has no such device, or the workers do not find each other.
    """
    try:
        mindspore.set_context(mode=mindspore.GRAPH_MODE)
        _choose_device(device_target)
        # Workers on GPU and Ascend get their own device when they join, before which they must not use one.
        if not is_distributed or device_target == "CPU":
            # Touching the device shows whether it is there, before anything long is begun.
            (Tensor(np.zeros(1, np.float32)) + 1).asnumpy()
    except (RuntimeError, ValueError, TypeError) as error:
        raise InputError(
            f"device_target is {device_target} but MindSpore {mindspore.__version__} finds no such device here "
            f"({first_line(error)}): set device_target to CPU, or install the driver and the MindSpore build for it"
        ) from None
    mindspore.set_seed(seed)
    if not is_distributed:
        return Worker()
    try:
        mindspore.communication.init()
    except RuntimeError as error:
        raise InputError(
            f"this worker does not find the others ({first_line(error)}): check master_port, the rank table and that "
            "all hosts were started"
        ) from None
    if device_target == "CPU":
        # Its pool is of 30 threads otherwise, too many for a worker that is bound to a share of the cores.
        mindspore.device_context.cpu.op_tuning.threads_num(available_cpus())
    worker = Worker(mindspore.communication.get_rank(), mindspore.communication.get_group_size())
    mindspore.set_auto_parallel_context(
        parallel_mode=mindspore.ParallelMode.DATA_PARALLEL,
        gradients_mean=True,
        device_num=worker.group_size,
        # One all-reduce for many gradients: one for each spends its time on starting and waiting.
        comm_fusion={"allreduce": {"mode": "auto", "config": None}},
    )
    return worker


def _choose_device(device_target: str) -> None:
    try:
        mindspore.set_device(device_target, own_device_id())
    except RuntimeError:
        # A process that has computed already has chosen; asking for the same again is no mistake.
        if mindspore.get_context("device_target") != device_target:
            raise


def sum_over_workers(value: int) -> int:
    """Return the sum over all workers, exact below 2**24, of a whole number; every worker must call it."""
    reduced = _Sum()(Tensor(np.array([value], np.float32)))
    return int(reduced.asnumpy()[0])


class _Sum(nn.Cell):
    def __init__(self) -> None:
        super().__init__(auto_prefix=False)
        self.all_reduce = ops.AllReduce(ops.ReduceOp.SUM)

    def construct(self, value: Tensor) -> Tensor:
        return self.all_reduce(value)
