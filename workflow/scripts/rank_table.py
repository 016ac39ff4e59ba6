#!/usr/bin/env python3
"""Write the rank table of this host's devices, or merge the tables of several hosts.

rank_table.py --device_num "[0,8)"
rank_table.py --device_num "[0,4)" --visible_devices 4,5,6,7 --server_ip 10.0.0.1
rank_table.py --merge hccl_8p_01234567_10.0.0.1.json hccl_8p_01234567_10.0.0.2.json
"""

import argparse
import logging
import sys
from pathlib import Path

from yolov3.config.options import add_options, settings_from
from yolov3.config.stage import run_stage, stage_parser
from yolov3.distributed.rank_table import (
    HCCN_CONF,
    RankTableSettings,
    ascend_rank_table,
    complete_rank_table,
    default_file_name,
    empty_rank_table,
    merge_rank_tables,
    rank_count,
)
from yolov3.files import write_json


def run(arguments: argparse.Namespace) -> None:
    """Write the table."""
    if arguments.merge:
        table = merge_rank_tables(arguments.merge)
    elif arguments.merged_table:
        table = complete_rank_table(arguments.merged_table, arguments.group_size)
    elif arguments.hosts or arguments.host_launcher == "slurm":
        # A host knows only its own devices, so MindSpore assigns the ranks of several hosts.
        table = empty_rank_table()
    else:
        table = ascend_rank_table(settings_from(RankTableSettings, arguments), arguments.hccn_conf)
    output_file = arguments.output_file or Path(default_file_name(table))
    write_json(output_file, table)
    logging.info("%s: %d ranks on %s servers", output_file, rank_count(table), table["server_count"])


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and run; return the exit code."""
    parser = stage_parser(__doc__)
    parser.add_argument(
        "--output_file",
        type=Path,
        help="table to write (default: named after its devices, such as hccl_8p_01234567_<server ip>.json)",
    )
    parser.add_argument("--merge", nargs="+", type=Path, metavar="FILE", help="merge these tables, in this order")
    parser.add_argument("--hccn_conf", type=Path, default=HCCN_CONF, help=f"device addresses (default: {HCCN_CONF})")
    add_options(parser, "rank_table")
    add_options(parser, "train", only=("group_size", "hosts", "host_launcher"))
    return run_stage(run, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
