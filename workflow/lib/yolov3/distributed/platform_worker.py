"""Workers that a platform starts by itself, one process for each Ascend device: MindSpore's "rank table startup"."""

import os


def is_rank_table_worker() -> bool:
    """Return whether this process is such a worker of several.

    It has RANK_TABLE_FILE, RANK_ID, RANK_SIZE and DEVICE_ID in its environment; msrun's processes have MS_ROLE.
    """
    variables = os.environ
    return (
        bool(variables.get("RANK_TABLE_FILE") and variables.get("RANK_ID"))
        and variables.get("RANK_SIZE", "1") not in ("", "0", "1")
        and not variables.get("MS_ROLE")
    )


def own_device_id() -> int | None:
    """Return the device of such a worker; None in other processes, to which MindSpore gives one."""
    return int(os.environ.get("DEVICE_ID", "0")) if is_rank_table_worker() else None
