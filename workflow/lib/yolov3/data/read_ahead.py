"""Prepare items in an executor ahead of their use."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

Result = TypeVar("Result")


def read_ahead(
    executor: Executor, prepare: Callable[..., Result], arguments: Iterable[tuple[Any, ...]], ahead: int
) -> Iterator[Result]:
    """Yield `prepare(*values)` for each tuple of arguments, in their order, and shut the executor down at the end.

    At most `ahead` calls are running or finished beyond the one waited for. An exception of a call is raised in its
    turn; it, or closing the generator, cancels the calls that have not started.
    """
    waiting: deque[Future[Result]] = deque()
    try:
        for values in arguments:
            waiting.append(executor.submit(prepare, *values))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)
