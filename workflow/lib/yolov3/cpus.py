"""How many CPUs there are, and whose they are."""

import os


def available_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def shared_cpus(workers: int) -> list[list[int]]:
    """Return the CPUs of each of several workers of this host: equal shares of those that this process may use.

    [] if there are fewer CPUs than workers.
    """
    cpus = sorted(os.sched_getaffinity(0))
    share = len(cpus) // workers
    return [cpus[worker * share : (worker + 1) * share] for worker in range(workers)] if share else []
