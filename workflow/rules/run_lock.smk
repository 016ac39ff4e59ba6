# The lock that a killed run left behind is taken away, so that the same command can be run again.

from snakemake.logging import logger

from yolov3.run_lock import RunLock

# Whether a run is dead is seen in Linux' /proc.
SEES_RUNS = workflow.is_main_process and sys.platform == "linux"

if SEES_RUNS:
    RUN_LOCK = RunLock(Path(".snakemake").resolve())
    for process in RUN_LOCK.remove_dead():
        logger.info(f"The lock of a run that was killed (process {process}) is removed.")


def record_run_lock():
    """Record that Snakemake's locks are those of this run; called when it has them, before its first job."""
    # Jobs on a cluster may outlive the run, and cannot be seen from here.
    if SEES_RUNS and workflow.local_exec:
        RUN_LOCK.record(getattr(workflow.persistence, "_lockfile", {}).values())
