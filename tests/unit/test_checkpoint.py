"""Checkpoints: what is written comes back, and what does not fit is refused in one sentence."""

import dataclasses
import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import mindspore
import numpy as np
import pytest
from darknet_samples import slim_settings

from yolov3.errors import InputError
from yolov3.network.yolo import YOLOv3
from yolov3.weights.checkpoint import load_for_finetuning, load_into, load_network, read_checkpoint, save_checkpoint

SETTINGS = slim_settings(("Käse", "Apfel rot", "c"))


@pytest.fixture(scope="module")
def network() -> YOLOv3:
    network = YOLOv3(SETTINGS)
    network.set_train(False)
    return network


@pytest.fixture
def saved(network: YOLOv3, tmp_path: Path) -> Path:
    path = tmp_path / "mein Ordner ü" / "yolov3 ß.ckpt"
    save_checkpoint(path, network, SETTINGS, epoch=3, note="Größe")
    return path


def values_of(network: YOLOv3) -> dict[str, np.ndarray]:
    return {name: value.asnumpy().copy() for name, value in network.parameters_dict().items()}


def test_network_comes_back_with_its_settings(network: YOLOv3, saved: Path) -> None:
    loaded, settings = load_network(saved)

    assert settings == SETTINGS
    assert not loaded.training
    images = mindspore.Tensor(np.random.default_rng(0).random((1, 3, 64, 64), np.float32))
    for expected, found in zip(network(images), loaded(images), strict=True):
        np.testing.assert_array_equal(found.asnumpy(), expected.asnumpy())


def test_a_network_of_other_classes_is_refused(saved: Path) -> None:
    assert load_network(saved, SETTINGS.class_names)[1] == SETTINGS
    for names in (("Apfel rot", "Käse", "c"), ("Käse",), ()):
        with pytest.raises(
            InputError, match=r"ß\.ckpt has classes Käse, Apfel rot, c but the data set has .*: give the"
        ):
            load_network(saved, names)


def test_further_entries_come_back_as_text(saved: Path) -> None:
    texts = read_checkpoint(saved).texts

    assert texts["note"] == "Größe"
    assert json.loads(texts["epoch"]) == 3


def test_file_can_be_read_and_replaced_and_leaves_nothing_beside(network: YOLOv3, saved: Path) -> None:
    assert saved.stat().st_mode & 0o600 == 0o600
    save_checkpoint(saved, network, SETTINGS)
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_failed_save_keeps_the_old_file(network: YOLOv3, saved: Path) -> None:
    before = saved.read_bytes()

    with pytest.raises(ValueError, match="Out of range"):
        save_checkpoint(saved, network, SETTINGS, loss=float("nan"))

    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_backbone_part_changes_only_the_backbone(saved: Path, network: YOLOv3) -> None:
    other = YOLOv3(slim_settings(("one class",)))
    before = values_of(other)

    load_into(saved, other, part="backbone")

    source = values_of(network)
    for name, value in values_of(other).items():
        np.testing.assert_array_equal(value, source[name] if name.startswith("backbone.") else before[name])


@pytest.mark.parametrize("keep", [0, 1000, 0.5, -1])
def test_truncated_file_is_refused(saved: Path, keep: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])

    with pytest.raises(InputError, match=r"cut off|has no parameter|no network settings") as caught:
        load_network(saved)

    assert str(saved) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"<html>moved</html>", b"\x00" * 500, bytes(range(256)) * 40])
def test_file_that_is_no_checkpoint_is_refused(
    content: bytes, tmp_path: Path, network: YOLOv3, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "page.ckpt"
    path.write_bytes(content)

    with pytest.raises(InputError, match="not a MindSpore checkpoint"):
        load_into(path, network)

    assert capfd.readouterr().err == ""


def test_missing_file_and_wrong_name_are_refused(tmp_path: Path, network: YOLOv3) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_into(tmp_path / "none.ckpt", network)
    with pytest.raises(InputError, match="is a Darknet weight file: convert it with"):
        load_into(tmp_path / "yolov3.weights", network)
    with pytest.raises(InputError, match=r"ends in \.ckpt"):
        save_checkpoint(tmp_path / "name.weights", network, SETTINGS)


def test_other_width_names_the_first_parameter_and_both_shapes(saved: Path) -> None:
    wider = YOLOv3(dataclasses.replace(SETTINGS, backbone_shape=(16, 16, 32, 64, 128)))
    before = values_of(wider)

    with pytest.raises(InputError) as caught:
        load_into(saved, wider)

    message = str(caught.value)
    assert "backbone.root.conv.weight" in message
    assert "(4, 3, 3, 3) in the file and (8, 3, 3, 3) in the network" in message
    for name, value in values_of(wider).items():
        np.testing.assert_array_equal(value, before[name])


def test_other_depth_names_the_missing_or_surplus_parameter(saved: Path) -> None:
    deeper = YOLOv3(dataclasses.replace(SETTINGS, backbone_layers=(2, 1, 2, 2, 1)))
    shallower = YOLOv3(dataclasses.replace(SETTINGS, backbone_layers=(1, 1, 1, 2, 1)))

    with pytest.raises(
        InputError, match=r"has no parameter backbone\.stages\.0\.2\.reduce\.conv\.weight.*\(4, 8, 1, 1\)"
    ):
        load_into(saved, deeper, part="backbone")
    with pytest.raises(InputError, match=r"its parameter backbone\.stages\.2\.2\..*is not in the network"):
        load_into(saved, shallower, part="backbone")


def test_other_number_of_classes_is_refused(saved: Path) -> None:
    with pytest.raises(InputError, match=r"branch_32\.head\.weight has shape \(24, .*\(21, "):
        load_into(saved, YOLOv3(slim_settings(("a", "b"))))


HEADS = {f"branch_{stride}.head.{kind}" for stride in (8, 16, 32) for kind in ("weight", "bias")}


def test_finetuning_to_other_classes_loads_all_but_the_heads(
    saved: Path, network: YOLOv3, caplog: pytest.LogCaptureFixture
) -> None:
    # New heads take any anchors, and any network another input.
    anchors = ((9.0, 9.0), *SETTINGS.anchors[1:])
    more = {"anchors": anchors, "testing_shape": 96, "letterbox": True}
    other = YOLOv3(dataclasses.replace(SETTINGS, class_names=("Bär", "b"), **more))
    before, source = values_of(other), values_of(network)

    with caplog.at_level("INFO"):
        assert set(load_for_finetuning(saved, other)) == HEADS

    for name, value in values_of(other).items():
        np.testing.assert_array_equal(value, before[name] if name in HEADS else source[name])
    assert all(name in caplog.text for name in HEADS)
    assert "the classes were Käse, Apfel rot, c and are now Bär, b" in caplog.text
    assert "WARNING" not in caplog.text


def test_finetuning_to_as_many_classes_loads_all(
    saved: Path, network: YOLOv3, caplog: pytest.LogCaptureFixture
) -> None:
    anchors = ((9.0, 9.0), *SETTINGS.anchors[1:])
    other = YOLOv3(dataclasses.replace(SETTINGS, class_names=("x", "y", "z"), anchors=anchors))

    assert load_for_finetuning(saved, other) == ()

    for name, value in values_of(network).items():
        np.testing.assert_array_equal(value, other.parameters_dict()[name].asnumpy())
    # The heads' sizes now mean something else.
    assert "was trained with anchors [[10.0, 13.0]" in caplog.text


def test_finetuning_refuses_whatever_differs_but_the_heads(saved: Path, network: YOLOv3, tmp_path: Path) -> None:
    wider = YOLOv3(dataclasses.replace(SETTINGS, backbone_shape=(16, 16, 32, 64, 128), class_names=("a",)))
    with pytest.raises(InputError, match=r"backbone\.root\.conv\.weight has shape \(4, 3, 3, 3\)"):
        load_for_finetuning(saved, wider)

    headless = {name: value for name, value in network.parameters_dict().items() if name not in HEADS}
    save_checkpoint(tmp_path / "headless.ckpt", headless, SETTINGS)
    with pytest.raises(InputError, match=r"has no parameter branch_32\.head\.weight"):
        load_for_finetuning(tmp_path / "headless.ckpt", YOLOv3(SETTINGS))


def test_checkpoint_without_settings_or_heads_is_no_network(network: YOLOv3, tmp_path: Path) -> None:
    path = tmp_path / "plain.ckpt"
    mindspore.save_checkpoint(network, str(path))
    with pytest.raises(InputError, match="no network settings"):
        load_network(path)

    backbone = {name: value for name, value in network.parameters_dict().items() if name.startswith("backbone.")}
    save_checkpoint(tmp_path / "backbone.ckpt", backbone, dataclasses.replace(SETTINGS, class_names=()))
    with pytest.raises(InputError, match="backbone only"):
        load_network(tmp_path / "backbone.ckpt")


def test_whatever_the_loader_raises_is_one_sentence(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which errors MindSpore raises for damaged files: tests/fuzz/checkpoints.py."""
    for error in (AttributeError("x"), SystemError("x"), MemoryError(), IndexError("x")):
        monkeypatch.setattr(mindspore, "load_checkpoint", Mock(side_effect=error))
        with pytest.raises(InputError, match=r"is cut off or not a MindSpore checkpoint: write or copy it again"):
            read_checkpoint(saved)


@pytest.mark.parametrize(
    "damage",
    [
        {"anchors": [[1, 2]] * 8},
        {"anchors": [[1, float("inf")]] * 9},
        {"anchors": [[1, 10**400]] * 9},
        {"anchors": 3},
        {"class_names": [1, 2, 3]},
        {"class_names": None},
        {"backbone_shape": [8, "16"]},
        {"backbone_layers": [1, -1]},
        {"batch_norm_momentum": 99},
        {"compatibility": "darkmet"},
        {"normalisation": ["unit"]},
        {"testing_shape": 4.5},
        {"letterbox": "no"},
        {"category_ids": [1]},
    ],
    ids=lambda damage: f"{damage}"[:40],
)
def test_damaged_settings_are_one_sentence(saved: Path, damage: dict[str, Any]) -> None:
    checkpoint = read_checkpoint(saved)
    texts = {"network_settings": json.dumps({**json.loads(SETTINGS.to_json()), **damage})}
    with pytest.raises(InputError, match="carries network settings that cannot be read: write it again"):
        _ = dataclasses.replace(checkpoint, texts=texts).settings


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, "[]", "3", '{"anchors":'])
def test_settings_that_are_none_are_one_sentence(saved: Path, text: str) -> None:
    checkpoint = dataclasses.replace(read_checkpoint(saved), texts={"network_settings": text})
    with pytest.raises(InputError, match="carries network settings that cannot be read"):
        _ = checkpoint.settings
