"""Predictions for videos: the frames as images, the written video, streams that a signal ends, and what is no good."""

import functools
import http.server
import json
import os
import signal
import threading

import cv2
import numpy as np
import pytest
from exported_samples import SETTINGS, run_script, small_network

from yolov3.boxes import Detections
from yolov3.errors import InputError
from yolov3.export.description import ModelDescription
from yolov3.prediction import video
from yolov3.prediction.video import VideoSource, predict_video, video_source
from yolov3.weights.checkpoint import save_checkpoint

SIZE_WH, FPS, FRAMES = (96, 64), 12.5, 6
MODEL = ModelDescription((64, 64), 1, "", (), ("cat",), (7,), False, False, (0,) * 3, (1,) * 3)


def write_video(path, frames=FRAMES, size_wh=SIZE_WH, codec="mp4v"):
    """Coloured noise that is smooth enough to survive the codec."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), FPS, size_wh)
    rng = np.random.default_rng(5)
    for _ in range(frames):
        small = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
        writer.write(cv2.resize(small, size_wh, interpolation=cv2.INTER_CUBIC))
    writer.release()
    return path


def frames_of(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1])
    return frames


def entries_of(output):
    return json.loads((output / "predictions.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("netz ü") / "yolov3.ckpt"
    save_checkpoint(path, small_network(), SETTINGS)
    return path


def predict(checkpoint, source, output, *more):
    return run_script("predict", "--ckpt", checkpoint, "--input", source, "--output", output, "--score", 0.4, *more)


def one_box(_frame):
    return Detections(np.array([[10, 20, 60, 50]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))


def test_frames_are_predicted_as_images(checkpoint, tmp_path):
    source = write_video(tmp_path / "straße 1.MP4")
    assert predict(checkpoint, source, tmp_path / "out", "--crops") == 0
    (tmp_path / "images").mkdir()
    for number, frame in enumerate(frames_of(source)):
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), frame)
    assert predict(checkpoint, tmp_path / "images", tmp_path / "expected") == 0
    found, expected = entries_of(tmp_path / "out"), entries_of(tmp_path / "expected")
    assert [entry["frame"] for entry in found] == list(range(FRAMES))
    assert {entry["file"] for entry in found} == {"straße 1.MP4"}
    assert sum(len(entry["detections"]) for entry in found) > 0
    for entry, image in zip(found, expected, strict=True):
        assert {name: entry[name] for name in ("width", "height", "detections")} == {
            name: image[name] for name in ("width", "height", "detections")
        }
    crops = sorted(path.name for path in (tmp_path / "out" / "crops").rglob("*.jpg"))
    numbers = [(entry["frame"], n) for entry in found for n in range(1, len(entry["detections"]) + 1)]
    assert crops == sorted(f"straße 1_{frame:06d}_{number}.jpg" for frame, number in numbers)


def test_the_written_video_has_size_rate_and_boxes(tmp_path):
    source = write_video(tmp_path / "clip.mp4")
    predict_video(video_source(str(source)), one_box, MODEL, tmp_path / "out")
    written = cv2.VideoCapture(str(tmp_path / "out" / "clip.mp4"))
    assert [written.get(key) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)] == list(SIZE_WH)
    assert written.get(cv2.CAP_PROP_FPS) == FPS
    before, after = frames_of(source), frames_of(tmp_path / "out" / "clip.mp4")
    assert len(before) == len(after) == FRAMES
    for old, new in zip(before, after, strict=True):
        change = np.abs(old.astype(int) - new).mean(axis=2)
        # The left side of the box, and a place far from it, which differs by compression only.
        assert change[30:45, 9:12].mean() > 20 > 2 * change[54:, 70:].mean()


def test_only_some_frames(checkpoint, tmp_path):
    source = write_video(tmp_path / "clip.mp4")
    assert predict(checkpoint, source, tmp_path / "out", "--frames", 2) == 0
    assert len(entries_of(tmp_path / "out")) == len(frames_of(tmp_path / "out" / "clip.mp4")) == 2


def interrupting(at, number):
    """Detect `one_box`, with a signal to this process in one of the frames."""
    count = 0

    def detect(frame):
        nonlocal count
        count += 1
        if count == at:
            os.kill(os.getpid(), number)
        return one_box(frame)

    return detect


@pytest.fixture
def usual_signals():
    """Handles SIGINT as a terminal's programs do, also where the tests run in the background and ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_stream_with_complete_files(tmp_path, number):
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    source = VideoSource(str(write_video(tmp_path / "clip.mp4")), "door", "door", is_stream=True)
    predict_video(source, interrupting(3, number), MODEL, tmp_path / "out")
    assert [entry["frame"] for entry in entries_of(tmp_path / "out")] == [0, 1, 2]
    assert len(frames_of(tmp_path / "out" / "door.mp4")) == 3
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.usefixtures("usual_signals")
def test_an_interrupted_file_leaves_nothing(tmp_path):
    source = video_source(str(write_video(tmp_path / "clip.mp4")))
    with pytest.raises(KeyboardInterrupt):
        predict_video(source, interrupting(3, signal.SIGINT), MODEL, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_url_keeps_its_password_for_itself(checkpoint, tmp_path, capfd):
    write_video(tmp_path / "clip 1.mp4")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://user:secret@127.0.0.1:{server.server_port}/clip%201.mp4?token=hidden"
            assert predict(checkpoint, url, tmp_path / "out") == 0
            assert predict(checkpoint, url.replace("clip", "none"), tmp_path / "none") == 1
        finally:
            server.shutdown()
            thread.join()
    assert len(entries_of(tmp_path / "out")) == len(frames_of(tmp_path / "out" / "clip 1.mp4")) == FRAMES
    assert {entry["file"] for entry in entries_of(tmp_path / "out")} == {
        f"http://127.0.0.1:{server.server_port}/clip%201.mp4"
    }
    said = [line for line in capfd.readouterr().err.splitlines() if " INFO " in line or " ERROR " in line]
    assert "none%201.mp4 cannot be opened as a video: check that it is reachable" in said[-1]
    assert not any("secret" in line or "hidden" in line for line in said)


def test_what_is_a_video(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "7").touch()
    (tmp_path / "clip.MOV").touch()
    (tmp_path / "folder.mp4").mkdir()
    for text in ("7", "folder.mp4", "image.png", "none", "1234", "clip"):
        assert video_source(text) is None, text
    assert video_source("clip.MOV") == VideoSource("clip.MOV", "clip.MOV", "clip", is_stream=False)
    assert video_source("0") == VideoSource(0, "camera 0", "camera_0", is_stream=True)
    door = video_source("rtsp://a:b@door:554/")
    assert door == VideoSource("rtsp://a:b@door:554/", "rtsp://door:554/", "door_554", is_stream=True)
    with pytest.raises(InputError, match=r"video none\.mkv does not exist: check the path"):
        video_source("none.mkv")


class Stream:
    """A capture of given frames' sizes that tells a rate."""

    def __init__(self, sizes_wh, fps):
        self.sizes_wh, self.fps = iter(sizes_wh), fps

    def isOpened(self):
        return True

    def get(self, _key):
        return self.fps

    def read(self):
        size_wh = next(self.sizes_wh, None)
        return (True, np.zeros((size_wh[1], size_wh[0], 3), np.uint8)) if size_wh else (False, None)

    def release(self):
        pass


def predict_stream(monkeypatch, output, *stream):
    opened = cv2.VideoCapture
    with monkeypatch.context() as patched:
        patched.setattr(cv2, "VideoCapture", lambda place: Stream(*stream) if place == 3 else opened(place))
        predict_video(video_source("3"), one_box, MODEL, output)
    return cv2.VideoCapture(str(output / "camera_3.mp4"))


def test_a_stream_that_changes_its_size(tmp_path, monkeypatch):
    sizes_wh = [(64, 48), (96, 80), (64, 48)]
    predict_stream(monkeypatch, tmp_path, sizes_wh, 25.0)
    assert [(entry["width"], entry["height"]) for entry in entries_of(tmp_path)] == sizes_wh
    assert [frame.shape for frame in frames_of(tmp_path / "camera_3.mp4")] == [(48, 64, 3)] * 3


@pytest.mark.parametrize(
    ("fps", "written"), [(23.976, 23.976), (239.123, 239.0), (0.0, 25.0), (90000.0, 25.0), (float("nan"), 25.0)]
)
def test_every_rate_can_be_written(tmp_path, monkeypatch, caplog, fps, written):
    stream = predict_stream(monkeypatch, tmp_path, [(64, 48)] * 2, fps)
    assert stream.get(cv2.CAP_PROP_FPS) == pytest.approx(written)
    assert ("camera 3 does not tell its frames per second: 25 are written" in caplog.text) == (written == 25)


def test_a_cut_off_video_is_told(tmp_path, caplog):
    path = write_video(tmp_path / "clip.avi", 100, codec="MJPG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    predict_video(video_source(str(path)), one_box, MODEL, tmp_path / "out")
    assert 10 < len(entries_of(tmp_path / "out")) < 90
    assert "clip.avi should have 100 frames: it is cut off or damaged" in caplog.text
    caplog.clear()
    predict_video(video_source(str(path)), one_box, MODEL, tmp_path / "out", max_frames=5)
    assert "should have" not in caplog.text


def test_mistakes_are_one_sentence(checkpoint, tmp_path, capfd):
    clip = write_video(tmp_path / "clip.mp4")
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 100)
    headers = write_video(tmp_path / "headers.avi", codec="MJPG")
    headers.write_bytes(headers.read_bytes()[: headers.read_bytes().index(b"movi") + 4])
    cv2.imwrite(str(tmp_path / "image.png"), np.zeros((8, 8, 3), np.uint8))
    for source, model, more, sentence in (
        (tmp_path / "none.mp4", checkpoint, [], "none.mp4 does not exist"),
        (tmp_path / "broken.mp4", checkpoint, [], "broken.mp4 cannot be opened as a video: it is damaged"),
        (headers, checkpoint, [], "headers.avi"),
        (99, checkpoint, [], "camera 99 cannot be opened as a video: check that it is reachable"),
        (clip, checkpoint, ["--format", "voc"], "format voc needs image files but"),
        (tmp_path / "image.png", checkpoint, ["--frames", 3], "--frames limits a video but"),
        (clip, tmp_path / "yolo.ms", [], "native program, which does not support videos: use the .ckpt"),
    ):
        assert predict(model, source, tmp_path / "out", *more) == 1, sentence
        said = [line for line in capfd.readouterr().err.splitlines() if " ERROR " in line]
        assert len(said) == 1 and sentence in said[0]
        assert not (tmp_path / "out").exists()
    content = clip.read_bytes()
    assert predict(checkpoint, clip, tmp_path) == 1
    assert "would overwrite" in capfd.readouterr().err and clip.read_bytes() == content


def test_a_missing_codec_and_a_full_disk(tmp_path, monkeypatch):
    source = video_source(str(write_video(tmp_path / "clip.mp4")))
    with monkeypatch.context() as patched:
        patched.setattr(video, "CODEC", "none")
        with pytest.raises(InputError, match=r"of 96 x 64 pixels cannot be written with codec none: install"):
            predict_video(source, one_box, MODEL, tmp_path / "out")

    class FullDisk:
        fourcc = cv2.VideoWriter.fourcc

        def __init__(self, *_options):
            pass

        def isOpened(self):
            return True

        def write(self, frame):
            pass

        def release(self):
            pass

    monkeypatch.setattr(cv2, "VideoWriter", FullDisk)
    with pytest.raises(InputError, match=r"clip\.mp4 could not be written completely: free space"):
        predict_video(source, one_box, MODEL, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
