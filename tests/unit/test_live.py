"""The page of a running training, and events for TensorBoard, from hand-made moments."""

import base64
import csv
import errno
import importlib.util
import logging
import re
import struct
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from yolov3.errors import InputError
from yolov3.report import live
from yolov3.report.live import LivePage, LoggedSteps, mark_failed
from yolov3.report.tensorboard import EventLog
from yolov3.training.metrics_log import MetricsLog, StepMetrics
from yolov3.training.watching import Moment

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "train.py"
TERMS = ("xy", "wh", "confidence", "class")
JPEG = b"\xff\xd8 a picture"
STEPS, STEPS_PER_EPOCH = 12, 3


def metrics_of(step):
    terms = dict(zip(TERMS, (0.5, 0.25, 8 / (step + 1), 0.125), strict=True))
    return StepMetrics(step // STEPS_PER_EPOCH, step, sum(terms.values()), terms, 0.001 * (step + 1), 40.0 + step)


def moment(steps_done, validations=(), is_logged=True):
    validation = [
        {"epoch": epoch, "iter": epoch * STEPS_PER_EPOCH, "AP": accuracy, "AP50": 2 * accuracy}
        for epoch, accuracy in validations
    ]
    logged = metrics_of(steps_done - 1) if is_logged and steps_done else None
    return Moment(steps_done, STEPS, STEPS_PER_EPOCH, logged, validation, 30.0 * steps_done)


class Clock:
    def __init__(self, monkeypatch):
        self.now = 1000.0
        clock = SimpleNamespace(monotonic=lambda: self.now, strftime=time.strftime)
        monkeypatch.setattr(live, "time", clock)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def page(tmp_path, clock):
    return LivePage(tmp_path / "out" / "training.html", tmp_path / "metrics.csv", lambda max_width: JPEG)


def text_of(page):
    return page.path.read_text(encoding="utf-8")


def tiles_of(page):
    """What the page says in numbers, by label."""
    return dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text_of(page)))


def refreshes(page):
    return re.findall(r'http-equiv="refresh" content="(\d+)"', text_of(page)) == [str(live.REFRESH_SECONDS)]


def state_of(page):
    return re.search(r'<p id="state">(.*?)</p>', text_of(page))[1]


def headings_of(page):
    return re.findall(r"<figcaption>(.*?)</figcaption>", text_of(page))


def test_the_page_exists_before_the_first_step_and_its_path_is_logged(page, caplog):
    with caplog.at_level(logging.INFO):
        page(moment(0))
        page(moment(1))
    assert [str(page.path) in message for message in caplog.messages] == [True]
    assert caplog.records[0].levelname in ("RESULT", "Level 25")
    assert state_of(page) == "running" and refreshes(page)
    assert base64.b64encode(JPEG).decode() in text_of(page)
    assert headings_of(page) == []


def test_it_holds_the_numbers_and_the_curves(page, clock):
    page(moment(0))
    for step in range(1, 8):
        # One step takes 10 s.
        clock.now += 10
        page(moment(step, [(1, 0.25), (2, 0.125)] if step > 6 else ()))
    tiles = tiles_of(page)
    assert (tiles["step"], tiles["epoch"], tiles["elapsed"]) == ("7 of 12", "3 of 4", "3 min 30 s")
    assert tiles["remaining"] == "50 s"
    # 0.5 + 0.25 + 8 / 7 + 0.125
    assert (tiles["loss"], tiles["learning rate"], tiles["images/s"]) == ("2.018", "0.007", "46.0")
    assert (tiles["AP, epoch 2"], tiles["AP50, epoch 2"]) == ("0.125", "0.250")
    assert tiles["best AP, epoch 1"] == "0.250"
    assert headings_of(page) == ["Loss", "Parts of the loss", "Validation accuracy", "Learning rate", "Speed"]
    assert "58 % · Training" in text_of(page)
    for label in ("centre", "size", "confidence", "class", "best checkpoint"):
        assert f">{label}<" in text_of(page)
    for chart in re.findall(r"<svg.*?</svg>", text_of(page), re.DOTALL):
        ElementTree.fromstring(chart)


def test_it_is_written_every_few_seconds_at_most(page, clock, monkeypatch):
    written = []
    monkeypatch.setattr(live, "write_text", lambda path, text: written.append(clock.now))
    for step in range(12):
        page(moment(step))
        clock.now += 2
    gaps = np.diff(written)
    assert len(gaps) >= 3 and (gaps >= live.REFRESH_SECONDS).all()


@pytest.mark.parametrize(
    ("slow", "share", "seconds_of_a_step"),
    [("write_text", live.WRITING_SHARE, 1), ("training_charts", live.DRAWING_SHARE, 10)],
)
def test_what_takes_long_is_done_less_often(page, clock, monkeypatch, slow, share, seconds_of_a_step):
    """If each time takes 2 s, all times of two hours take their share, and two times more or less."""
    times = []

    def take_two_seconds(*arguments):
        times.append(clock.now)
        clock.now += 2
        return []

    for name in ("write_text", "training_charts"):
        monkeypatch.setattr(live, name, take_two_seconds if name == slow else lambda *arguments: [])
    page(moment(0))
    started, times[:] = clock.now, []
    while clock.now < started + 7200:
        clock.now += seconds_of_a_step
        page(moment(5))
    assert abs(2 * len(times) - share * 7200) <= 4


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (None, "finished"),
        (InputError("the loss is <nan>\nhere"), "failed: the loss is &lt;nan&gt;"),
        (RuntimeError(), "failed: RuntimeError"),
        (KeyboardInterrupt(), "interrupted: the same command resumes the training"),
    ],
)
def test_at_the_end_it_tells_how_it_ended_and_stays(page, error, state):
    try:
        with page:
            page(moment(0))
            page(moment(1))
            assert refreshes(page) and headings_of(page) == []
            if error:
                raise error
    except type(error or Exception) as raised:
        assert raised is error
    assert state_of(page) == state
    assert "refresh" not in text_of(page)
    # What was not due before is there.
    assert tiles_of(page)["step"] == "1 of 12" and len(headings_of(page)) == 4


def test_a_page_that_cannot_be_written_gives_one_warning(page, clock, caplog):
    # A file where its folder should be.
    page.path.parent.write_text("")
    with caplog.at_level(logging.INFO), page:
        for step in range(5):
            page(moment(step))
            clock.now += 10
    (record,) = caplog.records
    assert record.levelname == "WARNING" and str(page.path) in record.message
    assert "the training goes on" in record.message


def test_a_full_disk_that_is_freed_is_written_again(page, clock, caplog, monkeypatch):
    def full(path, text):
        raise OSError(errno.ENOSPC, "No space left on device")

    page(moment(0))
    with monkeypatch.context() as context:
        context.setattr(live, "write_text", full)
        clock.now += 10
        page(moment(1))
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1 and "No space left" in warnings[0]
    clock.now += 10
    page(moment(2))
    assert tiles_of(page)["step"] == "2 of 12"


def test_without_a_picture_there_is_still_a_page(tmp_path, caplog):
    def broken(max_width):
        raise ValueError("odd image")

    page = LivePage(tmp_path / "training.html", tmp_path / "metrics.csv", broken)
    page(moment(0))
    assert "odd image" in caplog.text and "<img" not in text_of(page)


def test_a_resumed_training_shows_the_earlier_steps(page, tmp_path, clock):
    log = MetricsLog(tmp_path / "metrics.csv", 0, TERMS)
    for step in range(3):
        log.append(metrics_of(step))
    page(moment(3, is_logged=False))
    assert tiles_of(page)["loss"] == "3.542"
    clock.now += 10
    page(moment(4))
    assert page._steps.by_column()["iter"].tolist() == [0, 1, 2, 3]
    with (tmp_path / "metrics.csv").open(newline="") as stream:
        assert list(page._steps.last) == next(csv.reader(stream))


def test_long_curves_are_thinned_by_means(monkeypatch):
    monkeypatch.setattr(live, "MAX_POINTS", 4)
    steps = LoggedSteps()
    for number in range(21):
        steps.append({"iter": number, "loss": 2.0 * number})
    # 8 points were halved at steps 7 and 15: means of four each.
    expected = np.arange(20).reshape(5, 4).mean(axis=1)
    columns = steps.by_column()
    assert columns["iter"].tolist() == expected.tolist()
    assert columns["loss"].tolist() == (2 * expected).tolist()
    assert steps.last == {"iter": 20, "loss": 40.0}


def test_a_page_of_a_killed_rank_is_marked_by_the_launcher(page):
    page(moment(0))
    mark_failed(page.path, r"rank 1 was killed by <SIGKILL> \1")
    assert state_of(page) == r"failed: rank 1 was killed by &lt;SIGKILL&gt; \1"
    assert "refresh" not in text_of(page).replace("A browser loads", "")
    # What the rank itself has said stays.
    mark_failed(page.path, "another reason")
    assert "another reason" not in text_of(page)
    page.path.unlink()
    mark_failed(page.path, "nothing to mark")
    assert not page.path.exists()


def test_a_failed_run_of_several_ranks_is_marked(page, monkeypatch):
    page(moment(0))
    spec = importlib.util.spec_from_file_location("train_stage", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def failed(*arguments):
        raise InputError("rank 1 no longer responds")

    monkeypatch.setattr(module, "run_distributed", failed)
    words = ["--is_distributed", "1", "--group_size", "2", "--manifest", "none.json"]
    assert module.main([*words, "--ckpt_path", str(page.path.parent)]) == 1
    assert state_of(page) == "failed: rank 1 no longer responds" and not refreshes(page)


def crc32c(data):
    """CRC-32C bit by bit (RFC 3720, appendix B.4)."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records_of(path):
    """The records of a TFRecord file: length and data, each followed by its masked CRC-32C."""
    data = path.read_bytes()
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        content = data[12 : 12 + length]
        assert struct.unpack("<I", data[8:12]) == (masked(data[:8]),)
        assert struct.unpack("<I", data[12 + length : 16 + length]) == (masked(content),)
        yield content
        data = data[16 + length :]


def fields_of(message):
    """The fields of an encoded protocol buffer message as (number, value)."""
    place = 0

    def varint():
        nonlocal place
        value = shift = 0
        while True:
            byte = message[place]
            place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while place < len(message):
        key = varint()
        kind = key & 7
        if kind == 0:
            yield key >> 3, varint()
            continue
        size = {1: 8, 5: 4}.get(kind) or varint()
        yield key >> 3, message[place : place + size]
        place += size


def events_of(path):
    """(step, {tag: value}, whether a session starts) of each event; fields as in TensorBoard's event.proto."""
    for record in records_of(path):
        event = dict(fields_of(record))
        values = [dict(fields_of(value)) for _, value in fields_of(event.get(5, b""))]
        scalars = {value[1].decode(): struct.unpack("<f", value[2])[0] for value in values}
        yield event.get(2, 0), scalars, dict(fields_of(event.get(7, b""))).get(1) == 1


def write_events(folder, moments):
    with EventLog(folder) as log:
        for entry in moments:
            log(entry)


def test_events_are_the_logged_steps_and_the_validations(tmp_path):
    write_events(
        tmp_path,
        [moment(0), moment(1), moment(2, is_logged=False), moment(3, [(1, 0.25)]), moment(4, [(1, 0.25)])],
    )
    (path,) = tmp_path.glob("events.out.tfevents.*")
    version, session, *events = events_of(path)
    assert b"brain.Event:2" in next(records_of(path))
    assert version == (0, {}, False) and session == (0, {}, True)
    expected = [
        *((step, {f"train/{name}": value for name, value in metrics_of(step).by_column().items()}) for step in (0, 2)),
        (2, {"validation/AP": 0.25, "validation/AP50": 0.5}),
        (3, {f"train/{name}": value for name, value in metrics_of(3).by_column().items()}),
    ]
    assert [step for step, _, _ in events] == [step for step, _ in expected]
    for (_, found, is_start), (_, values) in zip(events, expected, strict=True):
        values = {name: value for name, value in values.items() if name not in ("train/epoch", "train/iter")}
        assert found == pytest.approx(values, rel=1e-6) and not is_start


def test_a_resumed_training_voids_the_events_after_the_step_that_it_resumes_from(tmp_path):
    write_events(tmp_path, [moment(0), *(moment(step, [(1, 0.25)] if step > 2 else ()) for step in range(1, 6))])
    write_events(tmp_path, [moment(3, [(1, 0.25)], is_logged=False), moment(4, [(1, 0.25)])])
    first, second = sorted(tmp_path.glob("events.out.tfevents.*"), key=lambda path: path.name.rpartition(".")[2])
    (purge,) = [step for step, _, is_start in events_of(second) if is_start]
    kept = [(step, values) for step, values, _ in events_of(first) if values and step < purge]
    again = [(step, values) for step, values, _ in events_of(second) if values]
    assert [step for step, _ in kept + again] == [0, 1, 2, 2, 3]
    # The validation before the step stays, and is written once.
    assert [step for step, values in kept + again if "validation/AP" in values] == [2]


def test_events_that_cannot_be_written_give_one_warning(tmp_path, caplog, monkeypatch):
    from tensorboardX.record_writer import RecordWriter

    (tmp_path / "file").write_text("")
    write_events(tmp_path / "file" / "events", [moment(0), moment(1)])
    assert len(caplog.records) == 1 and "the training goes on" in caplog.text
    caplog.clear()

    def full(self):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RecordWriter, "flush", full)
    write_events(tmp_path / "events", [moment(0), moment(1), moment(2)])
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1 and "No space left" in warnings[0]
