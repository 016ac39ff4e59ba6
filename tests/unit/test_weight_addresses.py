from pathlib import Path

import pytest

from yolov3.errors import InputError
from yolov3.weights import addresses
from yolov3.weights.addresses import fetch_weights, name_of


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders that stand for the hosts of the published file `a.weights` of 9 bytes."""
    folders = [tmp_path / name for name in ("gone", "moved", "mirror")]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setattr(addresses, "PLACES", tuple(f"{folder.as_uri()}/{{name}}" for folder in folders))
    monkeypatch.setattr(addresses, "SIZES", {"a.weights": 9})
    return folders


def test_all_addresses_of_a_published_file_are_tried_in_order(
    hosts: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, moved, mirror = (folder / "a.weights" for folder in hosts)
    moved.write_text("<html>moved</html>")
    mirror.write_bytes(b"123456789")

    fetch_weights(first.as_uri(), tmp_path / "target", "")

    assert (tmp_path / "target").read_bytes() == b"123456789"
    assert f"{first.as_uri()} cannot be read" in caplog.text
    assert f"{moved.as_uri()} sends a web page" in caplog.text
    assert not list(tmp_path.glob("target.*"))


def test_the_given_address_is_tried_first(hosts: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for content, folder in zip((b"111111111", b"222222222", b"333333333"), hosts, strict=True):
        (folder / "a.weights").write_bytes(content)

    fetch_weights((hosts[2] / "a.weights").as_uri(), tmp_path / "target", "")

    assert (tmp_path / "target").read_bytes() == b"333333333"
    assert not caplog.text


def test_a_file_of_another_length_is_not_taken(hosts: list[Path], tmp_path: Path) -> None:
    for folder in hosts:
        (folder / "a.weights").write_bytes(b"12345678")

    with pytest.raises(InputError, match="not the expected 9"):
        fetch_weights((hosts[0] / "a.weights").as_uri(), tmp_path / "target", "")

    assert not (tmp_path / "target").exists()


def test_an_address_of_ones_own_is_the_only_one_and_has_any_length(hosts: list[Path], tmp_path: Path) -> None:
    (hosts[1] / "a.weights").write_bytes(b"123456789")
    own = tmp_path / "own é" / "a.weights"
    own.parent.mkdir()

    with pytest.raises(InputError, match="cannot be read"):
        fetch_weights(own.as_uri(), tmp_path / "target", "")
    own.write_bytes(b"12345")
    fetch_weights(own.as_uri(), tmp_path / "target", "")

    assert (tmp_path / "target").read_bytes() == b"12345"


def test_names() -> None:
    mirror = "https://sourceforge.net/projects/yolov3.mirror/files/v8"
    assert name_of(f"{mirror}/yolov3.weights/download") == "yolov3.weights"
    assert name_of("https://pjreddie.com/media/files/darknet53.conv.74") == "darknet53.conv.74"
    assert name_of("https://example.org/a%20b.ckpt?x=1") == "a b.ckpt"
