"""Prepare items in an executor ahead of their use."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")
LOWEST_PRIORITY = 19


def background_thread(name: str) -> ThreadPoolExecutor:
    """Return an executor with one thread, which on Linux takes the processor time that others leave.

    MindSpore divides an operator evenly among its threads, one per core, and each waits for all. A thread of equal
    priority that takes one of the cores for a while therefore stops all of them: on two cores, the preparation of
    batches cost three times its own time.
    """
    return ThreadPoolExecutor(1, thread_name_prefix=name, initializer=_give_way)


def _give_way() -> None:
    # On Linux the priority belongs to the thread, elsewhere to the process.
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, LOWEST_PRIORITY)


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
