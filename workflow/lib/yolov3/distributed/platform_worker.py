"""Ranks that a platform starts itself, one process per Ascend device: MindSpore's "rank table startup"."""

import os


def is_rank_table_worker() -> bool:
    """Return whether this process is one of several ranks that a platform started.

    A platform sets RANK_TABLE_FILE, RANK_ID, RANK_SIZE and DEVICE_ID; msrun sets MS_ROLE.
    """
    variables = os.environ
    return (
        bool(variables.get("RANK_TABLE_FILE") and variables.get("RANK_ID"))
        and variables.get("RANK_SIZE", "1") not in ("", "0", "1")
        and not variables.get("MS_ROLE")
    )


def own_device_id() -> int | None:
    """Return the device id set by the platform; None in other processes, where MindSpore chooses the device."""
    return int(os.environ.get("DEVICE_ID", "0")) if is_rank_table_worker() else None
