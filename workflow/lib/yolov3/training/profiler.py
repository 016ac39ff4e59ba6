"""MindSpore's profiler around some steps of a training."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mindspore import profiler

# The first steps wait for the compiler and for the first batches; more than these make files that no viewer likes.
FIRST_STEP = 3
PROFILED_STEPS = 10
ACTIVITIES = {
    "CPU": [profiler.ProfilerActivity.CPU],
    "GPU": [profiler.ProfilerActivity.CPU, profiler.ProfilerActivity.GPU],
    "Ascend": [profiler.ProfilerActivity.CPU, profiler.ProfilerActivity.NPU],
}


@contextmanager
def profiled_steps(folder: Path, device_target: str) -> Iterator[Callable[[], None]]:
    """Give a function to call after each step; steps 4 to 13 of this run are profiled.

    Args:
        folder: gets MindSpore's output: a trace_view.json for chrome://tracing, Perfetto or MindStudio Insight, and
            tables of the operators' times beside it.
        device_target: CPU, GPU or Ascend.
    """
    folder.mkdir(parents=True, exist_ok=True)
    running = profiler.profile(
        activities=ACTIVITIES[device_target],
        schedule=profiler.schedule(wait=FIRST_STEP - 1, warmup=1, active=PROFILED_STEPS, repeat=1),
        on_trace_ready=profiler.tensorboard_trace_handler(str(folder)),
    )
    running.start()
    try:
        yield running.step
    finally:
        running.stop()


@contextmanager
def no_profile() -> Iterator[Callable[[], None]]:
    """Give a function to call after each step that does nothing."""
    yield lambda: None


def log_profile(folder: Path) -> None:
    """Log where the profile of a training is, or that it was too short for one."""
    if any(folder.rglob("trace_view.json")):
        logging.info("the profile is in %s: open its trace_view.json in chrome://tracing or Perfetto", folder)
    else:
        logging.warning("there is no profile: a run must have %d steps or more to do for one", FIRST_STEP + 1)
