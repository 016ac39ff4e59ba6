"""Rank tables: lists of the devices that train together, in the format of Ascend's collective library, version 1.0."""

import contextlib
import ipaddress
import itertools
import logging
import re
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolov3.errors import InputError
from yolov3.files import read_json

HCCN_CONF = Path("/etc/hccn.conf")
# The devices of a host are linked in two groups of four; a job may use devices of one group, or all eight.
DEVICES_PER_GROUP = 4
DEVICES_PER_HOST = 2 * DEVICES_PER_GROUP
HCCN_TOOL_SECONDS = 20

RankTable = dict[str, Any]


@dataclass(frozen=True)
class RankTableSettings:
    """The devices of this host that take part; the names are those of config section `rank_table`.

    Attributes:
        device_num: half-open range "[first,end)" of positions in `visible_devices`.
        visible_devices: physical device ids visible in the container, in order, comma separated; "" means 0 to 7.
        server_ip: IP address of this host; "" detects it.
        device_ips: device addresses in ascending order of device id, comma separated, for the devices used or for all
            from device 0; "" reads them from hccn_tool or hccn.conf.
    """

    device_num: str = "[0,8)"
    visible_devices: str = ""
    server_ip: str = ""
    device_ips: str = ""


def ascend_rank_table(settings: RankTableSettings, hccn_conf: Path = HCCN_CONF) -> RankTable:
    """Return the rank table of this host's Ascend devices.

    `visible_devices` lists physical ids and `device_num` selects positions in that list: "4,5,6,7" with "[0,2)" selects
    devices 4 and 5. The table, hccn_tool, hccn.conf and the rule of groups all refer to physical ids.

    Raises:
        InputError: the range is not allowed or an address is unknown.
    """
    device_ids = select_devices(settings.device_num, settings.visible_devices)
    given = settings.device_ips
    addresses = _given_addresses(given, device_ids) if given else _hccn_addresses(device_ids, hccn_conf)
    for address in addresses:
        if addresses.count(address) > 1:
            raise InputError(f"device address {address} belongs to two devices: give each its own address (device_ips)")
    return _one_server(settings.server_ip or find_server_ip(), device_ids, addresses)


def empty_rank_table() -> RankTable:
    """Return a table without servers, for a training on several hosts that needs no rank table."""
    return _table_of([])


def lists_devices(path: str) -> bool:
    """Return whether `path` is not "" and its rank table is not the one of `empty_rank_table`."""
    return bool(path) and read_json(path, "rank table") != empty_rank_table()


def select_devices(device_num: str, visible_devices: str) -> list[int]:
    """Return the physical ids at positions `device_num` of `visible_devices` (see `ascend_rank_table`).

    Raises:
        InputError: the range is empty, exceeds the visible devices, or mixes the two groups of four.
    """
    match = re.fullmatch(r"\[ *(\d+) *, *(\d+) *\)", device_num.strip())
    if not match:
        raise InputError(f'device_num is {device_num!r} but must be a half-open range such as "[0,8)"')
    first, end = int(match[1]), int(match[2])
    if not re.fullmatch(r"(\d+(,\d+)*)?", visible_devices):
        raise InputError(f'visible_devices is {visible_devices!r} but must list device ids such as "0,1,2,3"')
    visible = list(map(int, visible_devices.split(","))) if visible_devices else list(range(DEVICES_PER_HOST))
    if len(set(visible)) < len(visible):
        raise InputError(f"visible_devices is {visible_devices} but must name each device once")
    if max(visible) >= DEVICES_PER_HOST:
        raise InputError(f"visible_devices is {visible_devices} but device ids are 0 to {DEVICES_PER_HOST - 1}")
    if first >= end:
        raise InputError(f'device_num is {device_num}, which is empty: use a range such as "[0,8)"')
    if end > len(visible):
        raise InputError(
            f"device_num is {device_num} but only {len(visible)} devices are visible: end the range at {len(visible)}"
        )
    device_ids = visible[first:end]
    crosses = first < DEVICES_PER_GROUP < end or len({number // DEVICES_PER_GROUP for number in device_ids}) > 1
    if crosses and len(device_ids) < DEVICES_PER_HOST:
        raise InputError(
            f"device_num is {device_num}, devices {','.join(map(str, device_ids))}, but devices of the groups 0-3 and "
            "4-7 can only train together if all eight do: use a range within [0,4) or [4,8), or [0,8)"
        )
    return device_ids


def find_server_ip() -> str:
    """Return this host's IP address: of its default route, else of its host name, else 127.0.0.1. Sends no packets."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Connecting a datagram socket only looks up the route; this address is reserved for documentation.
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        logging.info("the IP address of this host is unknown: using 127.0.0.1 (--server_ip sets another)")
        return "127.0.0.1"


def default_file_name(table: RankTable) -> str:
    """Return hccl_8p_01234567_<server ip>.json for one server, hccl_2s_16p.json for several."""
    servers = table["server_list"]
    if len(servers) > 1:
        return f"hccl_{len(servers)}s_{rank_count(table)}p.json"
    device_ids = "".join(device["device_id"] for device in servers[0]["device"])
    return f"hccl_{len(servers[0]['device'])}p_{device_ids}_{servers[0]['server_id']}.json"


def rank_count(table: RankTable) -> int:
    """Return the number of ranks of a table."""
    return sum(len(server["device"]) for server in table["server_list"])


def merge_rank_tables(paths: Sequence[str | Path]) -> RankTable:
    """Merge the rank tables of several files, with ranks renumbered from 0 in the order given.

    Raises:
        InputError: a file is not a rank table, differs in status, or repeats a server or device address.
    """
    tables = [read_rank_table(path) for path in paths]
    status = tables[0]["status"]
    servers: list[dict[str, Any]] = []
    origin: dict[str, str | Path] = {}
    ranks = itertools.count()
    for path, table in zip(paths, tables, strict=True):
        if table["status"] != status:
            raise InputError(
                f"rank table {path} has status {table['status']} but {paths[0]} has {status}: make them equal"
            )
        for server in table["server_list"]:
            for address in {server["server_id"], *(device["device_ip"] for device in server["device"])}:
                if address in origin:
                    raise InputError(
                        f"address {address} in rank table {path} is already in {origin[address]}: "
                        "list the table of each server once"
                    )
                origin[address] = path
            devices = [{**device, "rank_id": str(next(ranks))} for device in server["device"]]
            servers.append({**server, "device": devices})
    return _table_of(servers, status)


def complete_rank_table(path: str | Path, group_size: int) -> RankTable:
    """Read a rank table that must contain all ranks of a run.

    Raises:
        InputError: the file is not a rank table, or the number of ranks is not `group_size`.
    """
    table = read_rank_table(path)
    if (count := rank_count(table)) != group_size:
        raise InputError(
            f"rank table {path} has {count} ranks but train.group_size is {group_size}: "
            "merge the tables of all hosts (rank_table.py --merge), or correct group_size"
        )
    return table


def read_rank_table(path: str | Path) -> RankTable:
    """Read a rank table file and check its format.

    Raises:
        InputError: the file is missing or is not a rank table of version 1.0; the message says what is wrong.
    """
    table = read_json(path, "rank table")

    def require(is_valid: bool, problem: str) -> None:
        if not is_valid:
            raise InputError(f"rank table {path} {problem}: write it again with rank_table.py")

    require(isinstance(table, dict), "is not a JSON object")
    for key in ("version", "server_list", "status"):
        require(key in table, f"has no {key}")
    require(table["version"] == "1.0", f"has version {table['version']!r} instead of '1.0'")
    require(isinstance(table["server_list"], list) and table["server_list"] != [], "lists no server")
    for server in table["server_list"]:
        require(isinstance(server, dict) and isinstance(server.get("server_id"), str), "has a server without server_id")
        devices = server.get("device")
        require(isinstance(devices, list) and devices != [], f"lists no device of server {server['server_id']}")
        for device in devices:
            for key in ("device_id", "device_ip", "rank_id"):
                is_text = isinstance(device, dict) and isinstance(device.get(key), str)
                require(is_text, f"has a device of server {server['server_id']} without {key} (text)")
        ids = [device["device_id"] for device in devices]
        require(len(set(ids)) == len(ids), f"lists a device of server {server['server_id']} twice")
    return table


def _one_server(server_ip: str, device_ids: Sequence[int], addresses: Sequence[str]) -> RankTable:
    devices = [
        {"device_id": str(device_id), "device_ip": address, "rank_id": str(rank)}
        for rank, (device_id, address) in enumerate(zip(device_ids, addresses, strict=True))
    ]
    server = {"server_id": _checked_address(server_ip, "server_ip"), "device": devices, "host_nic_ip": "reserve"}
    return _table_of([server])


def _table_of(servers: list[dict[str, Any]], status: str = "completed") -> RankTable:
    return {"version": "1.0", "server_count": str(len(servers)), "server_list": servers, "status": status}


def _given_addresses(device_ips: str, device_ids: Sequence[int]) -> list[str]:
    addresses = [_checked_address(address.strip(), "device_ips") for address in device_ips.split(",")]
    listed_ids = range(len(addresses)) if len(addresses) > max(device_ids) else sorted(device_ids)
    if len(addresses) != len(listed_ids):
        raise InputError(
            f"device_ips lists {len(addresses)} addresses for the {len(device_ids)} devices "
            f"{','.join(map(str, device_ids))}: give one per device, in ascending order of device id"
        )
    by_id = dict(zip(listed_ids, addresses, strict=True))
    return [by_id[device_id] for device_id in device_ids]


def _hccn_addresses(device_ids: Sequence[int], hccn_conf: Path) -> list[str]:
    configured = _read_hccn_conf(hccn_conf)
    addresses = []
    for device_id in device_ids:
        address = _ask_hccn_tool(device_id) or configured.get(device_id)
        if address is None:
            raise InputError(
                f"neither hccn_tool nor {hccn_conf} has the address of device {device_id}: configure the device's "
                "network, or set rank_table.device_ips"
            )
        addresses.append(_checked_address(address, f"the address of device {device_id}"))
    return addresses


def _ask_hccn_tool(device_id: int) -> str | None:
    command = ["hccn_tool", "-i", str(device_id), "-ip", "-g"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=HCCN_TOOL_SECONDS)
    except FileNotFoundError:
        return None
    except (OSError, subprocess.TimeoutExpired) as error:
        logging.warning("hccn_tool did not return the address of device %d: %s", device_id, error)
        return None
    match = re.search(r"^ipaddr:\s*(\S+)", result.stdout, re.MULTILINE)
    return match[1] if match else None


def _read_hccn_conf(path: Path) -> dict[int, str]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return {int(number): address for number, address in re.findall(r"(?m)^\s*address_(\d+)\s*=\s*(\S+)", text)}


def _checked_address(text: str, what: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        message = f"{what} has {text!r}, which is not an IP address such as 192.168.100.101: correct it"
        raise InputError(message) from None
