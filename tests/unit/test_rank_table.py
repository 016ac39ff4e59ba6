"""Rank tables against tables written by hand, with a hccn_tool that knows eight devices."""

import importlib.util
import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest

from yolov3.distributed.rank_table import (
    RankTableSettings,
    ascend_rank_table,
    find_server_ip,
    merge_rank_tables,
    select_devices,
)
from yolov3.errors import InputError

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "rank_table.py"
NO_CONF = Path("does/not/exist")


def main(*options: object) -> int:
    spec = importlib.util.spec_from_file_location("script_rank_table", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main([str(option) for option in options])


def install_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    folder = tmp_path / "tools"
    folder.mkdir()
    tool = folder / "hccn_tool"
    tool.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.fixture
def hccn_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Device N has the address 192.168.10N.1N, as `hccn_tool -i N -ip -g` prints it."""
    body = '[ "$1" = -i ] && [ "$3 $4" = "-ip -g" ] && printf "ipaddr:192.168.10$2.1$2\\nnetmask:255.255.255.0\\n"'
    install_tool(tmp_path, monkeypatch, body)


@pytest.fixture
def no_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def devices_of(table: dict[str, Any]) -> list[tuple[str, str, str]]:
    (server,) = table["server_list"]
    return [(device["device_id"], device["device_ip"], device["rank_id"]) for device in server["device"]]


def write_conf(folder: Path, *numbers: int) -> Path:
    path = folder / "hccn.conf"
    lines = [f"address_{number}=10.1.0.{number}\nnetmask_{number}=255.255.255.0\n" for number in numbers]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def test_table_of_two_devices_is_the_documented_one(hccn_tool: None) -> None:
    assert ascend_rank_table(RankTableSettings("[0,2)", server_ip="10.0.0.7"), NO_CONF) == {
        "version": "1.0",
        "server_count": "1",
        "server_list": [
            {
                "server_id": "10.0.0.7",
                "device": [
                    {"device_id": "0", "device_ip": "192.168.100.10", "rank_id": "0"},
                    {"device_id": "1", "device_ip": "192.168.101.11", "rank_id": "1"},
                ],
                "host_nic_ip": "reserve",
            }
        ],
        "status": "completed",
    }


def test_visible_devices_are_physical_and_device_num_selects_among_them(hccn_tool: None) -> None:
    settings = RankTableSettings("[0,2)", visible_devices="5,4,6,7", server_ip="10.0.0.7")

    assert devices_of(ascend_rank_table(settings, NO_CONF)) == [
        ("5", "192.168.105.15", "0"),
        ("4", "192.168.104.14", "1"),
    ]


def test_hccn_conf_is_read_without_the_tool(no_tool: None, tmp_path: Path) -> None:
    conf = write_conf(tmp_path, *range(8))

    table = ascend_rank_table(RankTableSettings("[4,6)", server_ip="10.0.0.7"), conf)

    assert devices_of(table) == [("4", "10.1.0.4", "0"), ("5", "10.1.0.5", "1")]


def test_hccn_conf_is_read_when_the_tool_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_tool(tmp_path, monkeypatch, "echo no such device >&2; exit 1")
    conf = write_conf(tmp_path, 0, 1)

    table = ascend_rank_table(RankTableSettings("[0,2)", server_ip="10.0.0.7"), conf)
    assert [address for _, address, _ in devices_of(table)] == ["10.1.0.0", "10.1.0.1"]

    with pytest.raises(InputError, match="device 2"):
        ascend_rank_table(RankTableSettings("[0,4)", server_ip="10.0.0.7"), conf)


@pytest.mark.parametrize(
    ("device_num", "visible", "device_ips", "expected"),
    [
        ("[0,2)", "", "10.1.0.1,10.1.0.2", ["10.1.0.1", "10.1.0.2"]),
        # One for each device used, by ascending id, though the container lists device 5 first.
        ("[0,2)", "5,4", "10.1.0.4, 10.1.0.5", ["10.1.0.5", "10.1.0.4"]),
        # One for each device of the host: the ids select.
        ("[4,6)", "", ",".join(f"10.1.0.{number}" for number in range(8)), ["10.1.0.4", "10.1.0.5"]),
    ],
)
def test_given_addresses(no_tool: None, device_num: str, visible: str, device_ips: str, expected: list[str]) -> None:
    settings = RankTableSettings(device_num, visible, "10.0.0.7", device_ips)

    assert [address for _, address, _ in devices_of(ascend_rank_table(settings, NO_CONF))] == expected


@pytest.mark.parametrize(
    ("device_ips", "words"),
    [
        ("10.1.0.1", "1 addresses for the 2 devices"),
        ("10.1.0.1,10.1.0", "not an IP address"),
        ("10.1.0.1,10.1.0.1", "two"),
    ],
)
def test_wrong_given_addresses_are_refused(device_ips: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        ascend_rank_table(RankTableSettings("[0,2)", "", "10.0.0.7", device_ips), NO_CONF)


@pytest.mark.parametrize(
    ("device_num", "visible", "expected"),
    [
        ("[0,8)", "", list(range(8))),
        ("[ 0 , 4 )", "", [0, 1, 2, 3]),
        ("[4,8)", "", [4, 5, 6, 7]),
        ("[7,8)", "", [7]),
        ("[1,3)", "4,5,6,7", [5, 6]),
        ("[0,8)", "7,6,5,4,3,2,1,0", [7, 6, 5, 4, 3, 2, 1, 0]),
    ],
)
def test_selected_devices(device_num: str, visible: str, expected: list[int]) -> None:
    assert select_devices(device_num, visible) == expected


@pytest.mark.parametrize(
    ("device_num", "visible", "words"),
    [
        ("[3,5)", "", "3,4"),
        ("[0,5)", "", "groups"),
        ("[1,8)", "", "groups"),
        # The range stays within four, the devices do not.
        ("[0,4)", "2,3,4,5", "2,3,4,5"),
        ("[2,2)", "", "which is empty"),
        ("[4,2)", "", "which is empty"),
        ("[8,9)", "", "8 devices are visible"),
        ("[0,4)", "0,1", "2 devices are visible"),
        ("0-8", "", "half-open range"),
        ("[0,2)", "0,0", "once"),
        ("[0,2)", "8,9", "0 to 7"),
        ("[0,2)", "a,b", "device ids"),
    ],
)
def test_devices_that_cannot_train_together_are_refused(device_num: str, visible: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        select_devices(device_num, visible)


def test_found_server_ip_is_an_address() -> None:
    assert ipaddress.ip_address(find_server_ip())


def save(folder: Path, name: str, table: dict[str, Any]) -> Path:
    path = folder / name
    path.write_text(json.dumps(table), encoding="utf-8")
    return path


def two_devices(server_ip: str, network: str) -> dict[str, Any]:
    return ascend_rank_table(RankTableSettings("[0,2)", "", server_ip, f"{network}.1,{network}.2"), NO_CONF)


def test_merge_renumbers_ranks_in_the_order_given(tmp_path: Path) -> None:
    first = save(tmp_path, "first ü.json", two_devices("10.0.0.2", "10.1.2"))
    second = save(tmp_path, "second.json", two_devices("10.0.0.1", "10.1.1"))

    merged = merge_rank_tables([first, second])

    assert merged["server_count"] == "2"
    assert merged["version"] == "1.0"
    assert merged["status"] == "completed"
    assert [server["server_id"] for server in merged["server_list"]] == ["10.0.0.2", "10.0.0.1"]
    ranks = [[device["rank_id"] for device in server["device"]] for server in merged["server_list"]]
    assert ranks == [["0", "1"], ["2", "3"]]
    assert merged["server_list"][1]["device"][0]["device_ip"] == "10.1.1.1"

    third = save(tmp_path, "third.json", two_devices("10.0.0.3", "10.1.3"))
    again = merge_rank_tables([save(tmp_path, "merged.json", merged), third])
    assert again["server_count"] == "3"
    assert again["server_list"][2]["device"][1]["rank_id"] == "5"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"server": "10.0.0.1"}, "10.0.0.1"),
        ({"network": "10.1.1"}, "10.1.1"),
        ({"status": "initializing"}, "status"),
        ({"version": "1.2"}, "version"),
        ({"server_list": []}, "no server"),
        ({"server_list": [{"server_id": "10.0.0.2", "device": [{"device_id": 0}]}]}, "device_id"),
    ],
)
def test_merge_refuses_duplicates_and_other_forms(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    first = save(tmp_path, "first.json", two_devices("10.0.0.1", "10.1.1"))
    table = two_devices(change.pop("server", "10.0.0.2"), change.pop("network", "10.1.2"))
    second = save(tmp_path, "second.json", {**table, **change})

    with pytest.raises(InputError, match=words) as caught:
        merge_rank_tables([first, second])
    assert str(second) in str(caught.value)


def test_script_writes_the_default_name_in_the_current_folder(
    hccn_tool: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main("--device_num", "[0,8)", "--server_ip", "10.0.0.7") == 0

    table = json.loads((tmp_path / "hccl_8p_01234567_10.0.0.7.json").read_text(encoding="utf-8"))
    assert [rank for _, _, rank in devices_of(table)] == list("01234567")


def test_script_without_ascend_asks_for_addresses(
    no_tool: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "table.json"

    assert main("--hccn_conf", tmp_path / "none", "--output_file", output) == 1
    assert "set rank_table.device_ips" in capsys.readouterr().err
    assert not output.exists()


def test_script_merges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = [save(tmp_path, f"{n}.json", two_devices(f"10.0.0.{n}", f"10.1.{n}")) for n in (1, 2)]

    assert main("--merge", *files) == 0
    assert json.loads((tmp_path / "hccl_2s_4p.json").read_text(encoding="utf-8"))["server_count"] == "2"

    assert main("--merge", files[0], files[0]) == 1


def test_the_merged_table_of_a_config_is_checked_and_taken(tmp_path: Path) -> None:
    tables = []
    for number in (1, 2):
        tables.append(tmp_path / f"host {number}.json")
        main(
            *("--device_num", "[0,2)", "--server_ip", f"10.0.0.{number}"),
            *("--device_ips", f"10.1.0.{number},10.1.1.{number}", "--output_file", tables[-1]),
        )
    merged, taken = tmp_path / "merged.json", tmp_path / "taken.json"
    assert main("--merge", *tables, "--output_file", merged) == 0
    assert main("--merged_table", merged, "--group_size", 4, "--output_file", taken) == 0
    table = json.loads(taken.read_text(encoding="utf-8"))
    ranks = [(device["device_ip"], device["rank_id"]) for server in table["server_list"] for device in server["device"]]
    assert ranks == [("10.1.0.1", "0"), ("10.1.1.1", "1"), ("10.1.0.2", "2"), ("10.1.1.2", "3")]
    assert main("--merged_table", merged, "--group_size", 8, "--output_file", tmp_path / "wrong.json") == 1
    assert not (tmp_path / "wrong.json").exists()
