import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from yolov3.data.read_ahead import read_ahead


def executor_is_shut_down(executor):
    with pytest.raises(RuntimeError, match="shutdown"):
        executor.submit(int)
    return True


def test_results_come_in_order_though_later_ones_are_ready_first():
    second_is_done = threading.Event()

    def prepare(number):
        if number == 0:
            assert second_is_done.wait(60)
        if number == 1:
            second_is_done.set()
        return number

    executor = ThreadPoolExecutor(2)
    assert list(read_ahead(executor, prepare, ((number,) for number in range(5)), 2)) == [0, 1, 2, 3, 4]
    assert executor_is_shut_down(executor)


def test_no_more_than_the_wanted_calls_are_ahead():
    drawn = []

    def arguments():
        for number in range(10):
            drawn.append(number)
            yield (number,)

    results = read_ahead(ThreadPoolExecutor(1), int, arguments(), 3)
    assert drawn == []
    for number in range(10):
        assert next(results) == number
        assert len(drawn) == min(number + 4, 10)


def test_an_error_is_raised_in_its_place_and_ends_the_executor():
    executor = ThreadPoolExecutor(1)
    results = read_ahead(executor, lambda number: 6 // number, ((number,) for number in (1, 2, 0, 3)), 2)
    assert [next(results), next(results)] == [6, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert executor_is_shut_down(executor)


def test_closing_cancels_what_has_not_begun():
    begun, may_end = [], threading.Event()

    class CancelsFirst(ThreadPoolExecutor):
        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            may_end.set()
            super().shutdown(wait=wait)

    def prepare(number):
        begun.append(number)
        assert number == 0 or may_end.wait(60)

    executor = CancelsFirst(1)
    results = read_ahead(executor, prepare, ((number,) for number in range(10)), 5)
    next(results)
    results.close()
    assert executor_is_shut_down(executor)
    assert set(begun) <= {0, 1}
