"""JPEG files decoded by Ascend's DVPP and normalised by AIPP, over fakes that compute real pixels.

The fakes check the order of calls, alignments and sizes. Pillow, which knows neither, is the other opinion on pixels.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from native_helpers import (
    SIZE,
    Program,
    assert_ran,
    assert_refused,
    change_json,
    random_raw_maps,
    write_bins,
    write_fake_model,
)
from PIL import Image
from test_native_jpeg import ORIENTATION, picture, read_as_python

from yolov3.native.aipp import RGB, YUV420SP, aipp_config
from yolov3.network.preprocess import normalise, place_image
from yolov3.network.settings import NORMALISATIONS

IMAGENET = NORMALISATIONS["imagenet"]
# The first call of each function; resources are released in the opposite order.
ORDER = (
    *("aclmdlGetAippType", "aclmdlGetFirstAippInfo", "acldvppCreateChannelDesc", "acldvppCreateChannel"),
    *("acldvppCreateResizeConfig", "acldvppCreateRoiConfig", "acldvppCreatePicDesc", "acldvppMalloc"),
    *("aclrtSetCurrentContext", "acldvppJpegGetImageInfo", "acldvppJpegPredictDecSize", "acldvppJpegDecodeAsync"),
    *("aclrtSynchronizeStream", "acldvppGetPicDescRetCode", "acldvppVpcResizeAsync", "acldvppDestroyPicDesc"),
    *("acldvppDestroyRoiConfig", "acldvppDestroyResizeConfig", "acldvppDestroyChannel"),
    "acldvppDestroyChannelDesc",
)


@dataclass
class Case:
    """A folder of JPEG files, and a model with AIPP for them."""

    program: Program
    folder: Path
    input_format: str = YUV420SP

    def __post_init__(self) -> None:
        self.images = self.folder / "images"
        self.images.mkdir()
        self.output, self.report = self.folder / "out", self.folder / "report.json"
        self.model = self.folder / "model.om"
        self.write_model(self.input_format)

    def write_model(self, input_format: str, **more) -> None:
        aipp = aipp_config(input_format, SIZE, IMAGENET)
        write_fake_model(self.model, random_raw_maps(1), aipp=aipp, **more)

    def letterbox(self) -> None:
        change_json(Path(f"{self.model}.json"), lambda value: value.update(letterbox=True))

    def add(self, name: str = "1.jpg", height: int = 120, width: int = 160, mode: str = "RGB", **options) -> Path:
        path = self.images / name
        picture(height, width).convert(mode).save(path, "JPEG", **options)
        return path

    def run(self, *arguments: object, **environment: str):
        """Run the program and return its result, and what the fake reports."""
        self.report.unlink(missing_ok=True)
        words = ("--engine", "acl", "--model", self.model, "--input", self.images, "--output", self.output)
        environment |= {"FAKE_ACL_REPORT": str(self.report), "FAKE_ACL_INPUT": str(self.folder / "input")}
        result = self.program.run(*words, "--warmup", 1, *arguments, **environment)
        return result, json.loads(self.report.read_text())

    def assert_ran(self, *arguments: object, **environment: str) -> dict[str, int]:
        """Run the program without a violation and return the number of calls of each function."""
        result, report = self.run(*arguments, **environment)
        assert_ran(result, self.output)
        assert (report["alive"], report["violations"]) == ({}, [])
        return report["calls"]

    def network_input(self) -> np.ndarray:
        """Return the pixels that the model got last, uint8 [H, W, 3]: RGB, or Y, U and V with repeated colours."""
        height, width = SIZE
        planes = np.fromfile(self.folder / "input", np.uint8)
        if planes.size == 3 * height * width:
            return planes.reshape(*SIZE, 3)
        luma, colours = planes[: height * width], planes[height * width :].reshape(height // 2, width // 2, 2)
        return np.dstack([luma.reshape(SIZE), colours.repeat(2, 0).repeat(2, 1)])


@pytest.fixture
def case(fake: Program, tmp_path: Path) -> Case:
    return Case(fake, tmp_path)


def stored(path: Path) -> Image.Image:
    """Return the YCbCr of a JPEG file, without its last column and row if they are odd."""
    image = Image.open(path)
    image.draft("YCbCr", image.size)
    return image.crop((0, 0, image.width // 2 * 2, image.height // 2 * 2))


def resized(channels: Image.Image, size_wh: tuple[int, int], input_format: str = YUV420SP) -> np.ndarray:
    """Resize YCbCr as VPC does, whose colours have half the size: to the size, or to twice the size for RGB."""
    luma, *colours = channels.split()
    width, height = size_wh
    planes = [luma.resize(size_wh, Image.Resampling.BILINEAR)]
    for part in colours:
        half = part.resize((part.width // 2, part.height // 2), Image.Resampling.BOX)
        if input_format == RGB:
            planes.append(half.resize(size_wh, Image.Resampling.BILINEAR))
        else:
            half = half.resize((width // 2, height // 2), Image.Resampling.BILINEAR)
            planes.append(half.resize(size_wh, Image.Resampling.NEAREST))
    merged = Image.merge("YCbCr", planes)
    return np.asarray(merged.convert("RGB") if input_format == RGB else merged).astype(int)


@pytest.mark.parametrize("mode", ["host", "device"])
def test_a_run_gives_everything_back(case: Case, mode: str) -> None:
    # The second needs more memory than the first, the third no more.
    for number, side in enumerate((100, 300, 200)):
        case.add(f"{number + 1}.jpg", side, side)
    result, report = case.run("--threads", 1, FAKE_ACL_RUN_MODE=mode)
    assert_ran(result, case.output)
    assert report["alive"] == {} and report["violations"] == [] and result.stderr.count("\n") == 1
    assert tuple(function for function in report["order"] if function in ORDER) == ORDER
    assert report["calls"]["acldvppJpegDecodeAsync"] == report["calls"]["acldvppVpcResizeAsync"] == 3
    assert report["calls"]["acldvppMalloc"] == report["calls"]["acldvppFree"] == 5
    # Two waits, an upload and a download per image; the network's own copies; one warm-up.
    assert report["calls"]["aclrtSynchronizeStream"] == 6
    assert report["calls"]["aclrtMemcpy"] == 3 * 2 + 4 * 4


def test_every_call_of_dvpp_fails_in_turn(case: Case) -> None:
    # With two outputs of VPC.
    case.write_model(RGB)
    case.add("1.jpg")
    case.add("2.jpg", 200, 150)
    case.letterbox()
    # With one reader, whose images come in order, so that each run has the same calls.
    calls, tried = case.assert_ran("--threads", 1), 0
    others = {"aclrtSetCurrentContext", "aclrtSynchronizeStream", "aclrtMemset", "aclrtGetSocName"}
    others |= {"aclmdlGetAippType", "aclmdlGetFirstAippInfo"}
    for function in sorted(name for name in calls if name.startswith("acldvpp") or name in others):
        for call in sorted({1, calls[function]}):
            shutil.rmtree(case.output, ignore_errors=True)
            result, report = case.run("--threads", 1, FAKE_ACL_FAIL=f"{function}:{call}")
            assert_refused(result, case.output)
            assert report["calls"][function] >= call
            assert (report["alive"], report["violations"]) == ({}, []), (function, call)
            tried += 1
    assert tried > 50


def test_the_sentence_names_image_and_call(case: Case) -> None:
    case.add("1.jpg")
    result, _ = case.run(FAKE_ACL_FAIL="acldvppVpcResizeAsync:1")
    assert_refused(result, case.output, "images/1.jpg: AscendCL failed in acldvppVpcResizeAsync", "507018", "as bins")


# Shrinking, enlarging, odd sides, the smallest side; the height of one is that of the input.
@pytest.mark.parametrize("size", [(120, 160), (64, 200), (333, 477), (32, 33), (500, 32)])
@pytest.mark.parametrize("input_format", [YUV420SP, RGB])
def test_pixels_of_the_device(case: Case, size: tuple[int, int], input_format: str) -> None:
    case.write_model(input_format)
    path = case.add("1.jpg", *size, quality=95)
    assert case.assert_ran()["acldvppJpegDecodeAsync"] == 1
    difference = np.abs(case.network_input().astype(int) - resized(stored(path), SIZE[::-1], input_format))
    # RGB is computed from three rounded values.
    assert difference.max() <= (6 if input_format == RGB else 3)
    assert difference.mean() < (1 if input_format == RGB else 0.5)


@pytest.mark.parametrize("soc", ["Ascend310", "Ascend310P3"])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_subsamplings_and_chips(case: Case, subsampling: int, soc: str) -> None:
    case.add("1.jpg", subsampling=subsampling)
    assert case.assert_ran(FAKE_ACL_SOC=soc)["acldvppJpegDecodeAsync"] == 1


def test_a_greyscale_image_has_no_colour(case: Case) -> None:
    case.add("1.jpg", mode="L")
    assert case.assert_ran()["acldvppJpegDecodeAsync"] == 1
    assert (case.network_input()[..., 1:] == 128).all()


@pytest.mark.parametrize(("input_format", "outputs"), [(YUV420SP, 1), (RGB, 2)])
def test_a_letterboxed_image_is_pasted_on_grey(case: Case, input_format: str, outputs: int) -> None:
    case.write_model(input_format)
    path = case.add("1.jpg", 128, 64)
    case.letterbox()
    calls = case.assert_ran()
    assert calls["acldvppVpcCropResizePasteAsync"] == calls["aclrtMemset"] == outputs
    found = case.network_input()
    # 64 x 128 to 32 x 64; its left edge at 32 is a multiple of 16.
    assert (found[:, :32] == 128).all() and (found[:, 64:] == 128).all()
    assert np.abs(found[:, 32:64].astype(int) - resized(stored(path), (32, 64), input_format)).max() <= 6


@pytest.mark.parametrize(("input_format", "tolerance"), [(RGB, 4e-3), (YUV420SP, 0.1)])
def test_aipp_normalises_as_python_does(case: Case, tmp_path: Path, input_format: str, tolerance: float) -> None:
    """The model's values are Python's in half precision, and those of YUV420SP in whole levels of the colours."""
    case.write_model(input_format)
    # Of one colour in each half, which YUV420SP does not mix.
    pixels = np.full((3, *SIZE), np.array([200, 60, 20], np.uint8)[:, None, None])
    pixels[:, 32:] = np.array([10, 120, 250], np.uint8)[:, None, None]
    assert "acldvppCreateChannel" not in case.assert_ran("--input", write_bins(tmp_path / "bins", [pixels]))
    values = normalise(pixels.transpose(1, 2, 0), IMAGENET)
    raw = np.fromfile(case.output / "result_Files" / "COCO_val2014_000000000001_0.bin", np.float32)
    difference = (raw - random_raw_maps(1)[0].ravel()).mean()
    assert difference == pytest.approx(values[0, 0, 0] - values[-1, -1, -1], abs=tolerance)


def save_for_host(kind: str, path: Path) -> None:
    image, options = picture(120, 160), {}
    if kind == "progressive":
        options = {"progressive": True}
    elif kind == "colours other than YCbCr":
        image = image.convert("CMYK")
    elif kind == "EXIF orientation":
        exif = Image.Exif()
        exif[ORIENTATION] = 6
        options = {"exif": exif}
    else:
        image = image.crop((0, 0, 20, 40))
    image.save(path, quality=95, **options)


@pytest.mark.parametrize("kind", ["progressive", "colours other than YCbCr", "EXIF orientation", "20 x 40 pixels"])
@pytest.mark.parametrize("letterbox", [False, True])
def test_what_jpegd_does_not_decode_is_decoded_on_the_host(case: Case, kind: str, letterbox: bool) -> None:
    if letterbox:
        case.letterbox()
    path = case.images / "2.jpg"
    save_for_host(kind, path)
    case.add("1.jpg")
    result, report = case.run()
    assert_ran(result, case.output)
    sentence = "1 of 2 JPEG files are decoded on the host because the device's decoder cannot"
    assert f"{sentence}: {path} ({kind})\n" in result.stderr
    assert report["calls"]["acldvppJpegDecodeAsync"] == 1 and report["violations"] == []
    # The second image is the last one.
    placed, _ = place_image(read_as_python(path), SIZE, letterbox)
    wanted = np.asarray(Image.fromarray(placed).convert("YCbCr")).astype(int)
    found = case.network_input().astype(int)
    assert np.abs(found[..., 0] - wanted[..., 0]).max() <= 1
    colours = wanted[..., 1:].reshape(SIZE[0] // 2, 2, SIZE[1] // 2, 2, 2).mean(axis=(1, 3))
    assert np.abs(found[::2, ::2, 1:] - colours).max() <= 2


def test_exif_with_nothing_to_turn_does_not_reach_the_device(case: Case) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 1
    case.add("1.jpg", exif=exif)
    assert case.assert_ran()["acldvppJpegDecodeAsync"] == 1


def test_what_nothing_decodes_is_refused_before_the_run(case: Case) -> None:
    case.add("1.jpg")
    picture(120, 160).save(case.images / "COCO_val2014_000000320612.jpg", "PNG")
    result, report = case.run()
    assert_refused(result, case.output, "320612.jpg cannot be read as JPEG", "0x89 0x50", "convert it to JPEG")
    assert "aclmdlExecute" not in report["calls"] and report["alive"] == {}


def test_a_file_that_is_cut_off(case: Case) -> None:
    path = case.add("1.jpg")
    path.write_bytes(path.read_bytes()[:-100])
    result, report = case.run()
    assert_refused(result, case.output, "1.jpg is cut off: restore it")
    assert "acldvppJpegDecodeAsync" not in report["calls"] and report["alive"] == {}


def test_the_annotated_size_is_checked(case: Case, tmp_path: Path) -> None:
    case.add("1.jpg")
    annotations = tmp_path / "instances.json"
    annotations.write_text(json.dumps({"images": [{"id": 1, "file_name": "1.jpg", "width": 161, "height": 120}]}))
    result, _ = case.run("--annotations", annotations)
    assert_refused(result, case.output, "1.jpg is 160 x 120 pixels but its annotations say 161 x 120")


def test_bins_are_of_bytes(case: Case, tmp_path: Path) -> None:
    pixels = np.full((3, *SIZE), 128, np.uint8)
    calls = case.assert_ran("--input", write_bins(tmp_path / "bytes", [pixels]))
    assert (case.network_input() == 128).all() and "acldvppCreateChannel" not in calls
    result, _ = case.run("--input", write_bins(tmp_path / "floats", [pixels.astype(np.float32)]))
    assert_refused(result, case.output, "floats are float32 but the model expects uint8")


def test_a_batch_of_jpeg_files(case: Case) -> None:
    case.write_model(YUV420SP, batch=2)
    for number in (1, 2, 3):
        case.add(f"{number}.jpg")
    assert case.assert_ran()["aclmdlExecute"] == 3
