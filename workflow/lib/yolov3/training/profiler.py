"""Profiling of a few training steps by MindSpore's profiler."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mindspore import profiler

# The first steps include compilation and waiting for data; more than ten steps make traces too large for viewers.
FIRST_STEP = 3
PROFILED_STEPS = 10
ACTIVITIES = {
    "CPU": [profiler.ProfilerActivity.CPU],
    "GPU": [profiler.ProfilerActivity.CPU, profiler.ProfilerActivity.GPU],
    "Ascend": [profiler.ProfilerActivity.CPU, profiler.ProfilerActivity.NPU],
}


@contextmanager
def profiled_steps(folder: Path, device_target: str) -> Iterator[Callable[[], None]]:
    """Profile steps 4 to 13 of this run; yield a function to call after each step.

    Args:
        folder: folder for MindSpore's output: trace_view.json for chrome://tracing, Perfetto or MindStudio Insight, and
            tables of the times of operators.
        device_target: CPU, GPU or Ascend.
    """
    folder.mkdir(parents=True, exist_ok=True)
    profile = profiler.profile(
        activities=ACTIVITIES[device_target],
        schedule=profiler.schedule(wait=FIRST_STEP - 1, warmup=1, active=PROFILED_STEPS, repeat=1),
        on_trace_ready=profiler.tensorboard_trace_handler(str(folder)),
    )
    profile.start()
    try:
        yield profile.step
    finally:
        profile.stop()


@contextmanager
def no_profile() -> Iterator[Callable[[], None]]:
    """Yield a function that does nothing, in place of that of `profiled_steps`."""
    yield lambda: None


def log_profile(folder: Path) -> None:
    """Log the folder of the profile, or that the run was too short to be profiled."""
    if any(folder.rglob("trace_view.json")):
        logging.info("the profile is in %s: open its trace_view.json in chrome://tracing or Perfetto", folder)
    else:
        logging.warning("no profile was written: a run needs at least %d steps for one", FIRST_STEP + 1)
