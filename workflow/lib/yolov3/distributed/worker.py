"""Set-up of MindSpore in one process: device, graph mode, seed, and communication between ranks."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import mindspore
import numpy as np
from mindspore import Tensor, nn, ops

from yolov3.distributed.platform_worker import own_device_id
from yolov3.errors import InputError, first_line
from yolov3.network.darknet53 import running_statistics
from yolov3.process import available_cpus

BYTES_AT_A_TIME = 1 << 20


@dataclass(frozen=True)
class Rank:
    """The position of this process among those that train together."""

    number: int = 0
    group_size: int = 1

    @property
    def is_master(self) -> bool:
        """Whether this rank logs and writes the results."""
        return self.number == 0


def start_runtime(device_target: str, seed: int, is_distributed: bool = False) -> Rank:
    """Select the device and graph mode, set the seed, and start the communication between ranks.

    `seed` is that of MindSpore's and NumPy's global generators, which initialise the layers. `is_distributed` says
    whether msrun or a platform started this process as one of several ranks.

    Raises:
        InputError: the host has no such device, or the ranks cannot reach each other.
    """
    if os.environ.get("MS_COMPILER_CACHE_ENABLE") == "1":
        # A graph is found by its number in the process.
        logging.warning(
            "MS_COMPILER_CACHE_ENABLE=1 is ignored: MindSpore may load a graph of another input size or other settings"
        )
        os.environ["MS_COMPILER_CACHE_ENABLE"] = "0"
    try:
        mindspore.set_context(mode=mindspore.GRAPH_MODE)
        _choose_device(device_target)
        # Ranks on GPU and Ascend are assigned their device by communication.init and must not use one before.
        if not is_distributed or device_target == "CPU":
            # Use the device once to fail early if it is missing.
            (Tensor(np.zeros(1, np.float32)) + 1).asnumpy()
    except (RuntimeError, ValueError, TypeError) as error:
        raise InputError(
            f"device_target is {device_target} but MindSpore {mindspore.__version__} finds no such device here "
            f"({first_line(error)}): set device_target to CPU, or install the driver and the MindSpore build for it"
        ) from None
    mindspore.set_seed(seed)
    if not is_distributed:
        return Rank()
    try:
        with _every_cpu() if device_target == "CPU" else nullcontext():
            mindspore.communication.init()
    except RuntimeError as error:
        raise InputError(
            f"this rank cannot reach the others ({first_line(error)}): check train.master_port, the rank table, and "
            "that training was started on all hosts"
        ) from None
    if device_target == "CPU":
        # The default pool of 30 threads is too large for a rank that is bound to a share of the cores.
        mindspore.device_context.cpu.op_tuning.threads_num(available_cpus())
    rank = Rank(mindspore.communication.get_rank(), mindspore.communication.get_group_size())
    mindspore.set_auto_parallel_context(
        parallel_mode=mindspore.ParallelMode.DATA_PARALLEL,
        gradients_mean=True,
        device_num=rank.group_size,
        # Fuse the all-reduces: one per gradient spends most of its time on latency.
        comm_fusion={"allreduce": {"mode": "auto", "config": None}},
    )
    return rank


def _choose_device(device_target: str) -> None:
    try:
        mindspore.set_device(device_target, own_device_id())
    except RuntimeError:
        # The device cannot be set again after it was used, which is no error if it is the same.
        if mindspore.get_context("device_target") != device_target:
            raise


@contextmanager
def _every_cpu() -> Iterator[None]:
    """Let this thread, and those that it starts, run on every CPU for a while, also if it is bound to some.

    On a single CPU, MindSpore's threads for connections seldom run in time, and connecting takes up to a minute.
    """
    own_cpus = os.sched_getaffinity(0)
    # Linux leaves out the CPUs that this process must not use.
    os.sched_setaffinity(0, own_cpus | set(range(os.cpu_count() or 1)))
    try:
        yield
    finally:
        os.sched_setaffinity(0, own_cpus)


def sum_over_ranks(value: int) -> int:
    """Return the exact sum of an integer of 0..2**64 - 1 over at most 65,536 ranks; every rank must call it."""
    return _sums_over_ranks([value])[0]


def _sums_over_ranks(values: list[int]) -> list[int]:
    # Byte by byte, because CPUs reduce only floating-point numbers, whose sums are exact below 2**24.
    digits = np.frombuffer(b"".join(value.to_bytes(8, "little") for value in values), np.uint8)
    sums = _Sum()(Tensor(digits.astype(np.float32))).asnumpy().reshape(-1, 8)
    return [sum(int(digit) << 8 * place for place, digit in enumerate(places)) for places in sums]


def bytes_of_ranks(data: bytes, rank: Rank) -> list[bytes]:
    """Return the data of each rank, in the order of ranks; every rank must call it."""
    if rank.group_size == 1:
        return [data]
    lengths = _sums_over_ranks([len(data) if number == rank.number else 0 for number in range(rank.group_size)])
    ends = np.cumsum(lengths)
    start = int(ends[rank.number]) - len(data)
    # Where one rank has its data, the others have zeros.
    padded = np.zeros(-(-int(ends[-1]) // BYTES_AT_A_TIME) * BYTES_AT_A_TIME, np.uint8)
    padded[start : start + len(data)] = np.frombuffer(data, np.uint8)
    add = _Sum()
    chunks = [
        add(Tensor(chunk.astype(np.float32))).asnumpy().astype(np.uint8).tobytes()
        for chunk in padded.reshape(-1, BYTES_AT_A_TIME)
    ]
    joined = b"".join(chunks)
    return [joined[end - length : end] for end, length in zip(ends.tolist(), lengths, strict=True)]


@contextmanager
def statistics_of_master(network: nn.Cell, rank: Rank) -> Iterator[None]:
    """Give the network rank 0's running statistics of BatchNorm for a while.

    Every rank must use it. Ranks see different images, so that their statistics differ.
    """
    if rank.group_size == 1:
        yield
        return
    parameters = running_statistics(network)
    own = [parameter.asnumpy().copy() for parameter in parameters]
    data = b"".join(value.tobytes() for value in own) if rank.is_master else b""
    shared = np.frombuffer(bytes_of_ranks(data, rank)[0], np.float32)
    ends = np.cumsum([parameter.size for parameter in parameters])
    for parameter, value, end in zip(parameters, own, ends, strict=True):
        parameter.set_data(Tensor(shared[end - value.size : end].reshape(value.shape)))
    try:
        yield
    finally:
        for parameter, value in zip(parameters, own, strict=True):
            parameter.set_data(Tensor(value))


class _Sum(nn.Cell):
    def __init__(self) -> None:
        super().__init__(auto_prefix=False)
        self.all_reduce = ops.AllReduce(ops.ReduceOp.SUM)

    def construct(self, value: Tensor) -> Tensor:
        return self.all_reduce(value)
