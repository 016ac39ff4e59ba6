"""Files that appear when they are complete."""

import os

import pytest

from yolov3.files import json_value, write_text


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    synced = []

    def fsync(descriptor):
        synced.append((os.fstat(descriptor).st_size, path.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(path, "four")
    assert synced == [(4, False)]
    assert path.read_text() == "four"


def test_a_file_that_is_not_on_the_disk_gets_no_name(tmp_path, monkeypatch):
    def fsync(descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output error"):
        write_text(tmp_path / "a.json", "four")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, "[1", ""])
def test_whatever_is_wrong_with_json_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        json_value(text)
