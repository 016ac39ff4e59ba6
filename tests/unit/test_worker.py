"""What ranks exchange."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import mindspore
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn

from yolov3.distributed import worker
from yolov3.distributed.worker import Rank


@pytest.fixture
def on_ranks(monkeypatch):
    """Calls a function with each rank of a group, in threads that add their tensors as AllReduce does."""

    def call(function, group_size):
        barrier, values = threading.Barrier(group_size, timeout=300), {}

        class Add:
            def __call__(self, value):
                values[threading.get_ident()] = value.asnumpy()
                barrier.wait()
                total = Tensor(np.sum(list(values.values()), axis=0))
                barrier.wait()
                return total

        monkeypatch.setattr(worker, "_Sum", Add)
        with ThreadPoolExecutor(group_size) as executor:
            return list(executor.map(function, [Rank(number, group_size) for number in range(group_size)]))

    return call


def test_sums_over_ranks_are_exact_beyond_float32(monkeypatch):
    ranks = 65536
    monkeypatch.setattr(worker, "_Sum", lambda: lambda values: Tensor(values.asnumpy() * np.float32(ranks)))
    for value in (0, 2**24 + 1, 10**12 + 7):
        assert worker.sum_over_ranks(value) == ranks * value


@pytest.mark.parametrize("lengths", [(5, 0, 3_000_000), (0, 0), (1 << 20, 1), (0, 1)])
def test_each_rank_gets_the_data_of_all(on_ranks, lengths):
    data = [os.urandom(length) for length in lengths]
    for gathered in on_ranks(lambda rank: worker.bytes_of_ranks(data[rank.number], rank), len(lengths)):
        assert gathered == data


def test_a_rank_bound_to_one_cpu_connects_on_all(monkeypatch):
    every_cpu = os.sched_getaffinity(0)
    seen = []
    monkeypatch.setattr(mindspore.communication, "init", lambda: seen.append(os.sched_getaffinity(0)))
    monkeypatch.setattr(mindspore.communication, "get_rank", lambda: 1)
    monkeypatch.setattr(mindspore.communication, "get_group_size", lambda: 2)
    for name in ("set_seed", "set_auto_parallel_context"):
        monkeypatch.setattr(mindspore, name, lambda *_, **__: None)
    monkeypatch.setattr(mindspore.device_context.cpu.op_tuning, "threads_num", lambda number: seen.append(number))
    os.sched_setaffinity(0, {min(every_cpu)})
    try:
        assert worker.start_runtime("CPU", 1, is_distributed=True) == Rank(1, 2)
        assert seen[0] >= every_cpu and seen[1] == 1
        assert os.sched_getaffinity(0) == {min(every_cpu)}
    finally:
        os.sched_setaffinity(0, every_cpu)


SCALED = """
import sys
import mindspore
from yolov3.distributed.worker import start_runtime

class Scaled(mindspore.nn.Cell):
    def construct(self, values):
        return values * float(sys.argv[1])

if sys.argv[2] == "ours":
    start_runtime("CPU", 1)
mindspore.set_context(mode=mindspore.GRAPH_MODE)
print(Scaled()(mindspore.Tensor([1.0])).asnumpy()[0])
"""


def test_no_graph_of_other_settings_is_loaded(tmp_path):
    (tmp_path / "scaled.py").write_text(SCALED)
    cache = {"MS_COMPILER_CACHE_ENABLE": "1", "MS_COMPILER_CACHE_PATH": str(tmp_path / "cache")}

    def run(*words):
        command = [sys.executable, str(tmp_path / "scaled.py"), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **cache})

    run("2", "alone")
    assert (tmp_path / "cache").exists(), "MindSpore keeps graphs"
    ours = run("3", "ours")
    assert float(ours.stdout) == 3
    assert "MS_COMPILER_CACHE_ENABLE=1 is ignored: MindSpore may load a graph" in ours.stderr


def test_one_rank_needs_no_communication():
    assert worker.bytes_of_ranks(b"abc", Rank()) == [b"abc"]


class Normalised(nn.Cell):
    """A trained weight, a frozen one and two statistics, which differ by rank."""

    def __init__(self, number):
        super().__init__()
        self.weight = Parameter(Tensor([7.0 + number], mindspore.float32), name="weight")
        self.frozen = Parameter(Tensor([9.0 + number], mindspore.float32), name="frozen", requires_grad=False)
        for name, values in (("moving_mean", [1.0, 2.0]), ("moving_variance", [[3.0], [4.0]])):
            value = Tensor(np.array(values, np.float32) + 10 * number)
            self.insert_param_to_cell(name, Parameter(value, name=name, requires_grad=False))


def test_statistics_are_rank_0s_for_a_while(on_ranks):
    def values_of(network):
        return [parameter.asnumpy().tolist() for parameter in network.get_parameters()]

    def run(rank):
        network = Normalised(rank.number)
        before = values_of(network)
        with pytest.raises(KeyError), worker.statistics_of_master(network, rank):
            inside = values_of(network)
            raise KeyError
        assert values_of(network) == before
        return inside

    statistics = [[1.0, 2.0], [[3.0], [4.0]]]
    assert on_ranks(run, 2) == [[[7.0], [9.0], *statistics], [[8.0], [10.0], *statistics]]
