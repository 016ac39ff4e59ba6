"""JPEG input: the same pixels as in Python, the same results as from bins, and one sentence for what is no good."""

import json
import os
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from native_helpers import (
    SIZE,
    Program,
    assert_ran,
    assert_refused,
    change_json,
    random_raw_maps,
    read_raw_maps,
    write_bins,
    write_fake_model,
)
from PIL import Image

from yolov3.data.images import MAX_PIXELS, read_image_rgb
from yolov3.errors import InputError
from yolov3.network.preprocess import normalise, place_image
from yolov3.network.settings import NORMALISATIONS
from yolov3.prediction.predict import find_images

ORIENTATION = 0x0112


@pytest.fixture
def dump(sanitized_dir: Path) -> Program:
    if not (sanitized_dir / "dump_image").is_file():
        pytest.skip("libjpeg is not here")
    return Program(sanitized_dir / "dump_image")


def picture(height: int, width: int, seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5) if min(height, width) > 8 else noise
    return Image.fromarray(cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX))


def read_as_python(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def assert_same_pixels(dump: Program, path: Path, size: tuple[int, int], letterbox: bool) -> None:
    output = path.with_suffix(".raw")
    result = dump.run(path, *size, int(letterbox), output)
    assert result.returncode == 0, result.stderr
    wanted, placement = place_image(read_as_python(path), size, letterbox)
    found = np.fromfile(output, np.uint8).reshape(wanted.shape)
    assert np.abs(found.astype(int) - wanted).max() <= 1
    assert (found != wanted).mean() < 0.001
    numbers = [placement.width, placement.height, *placement.offset_xy, *placement.share_xy]
    assert [float(number) for number in result.stdout.split()] == numbers


# Shrinking by whole and broken factors, one way only, enlarging, odd sizes, single pixels, no change.
SIZES = [
    *((480, 640), (640, 480), (832, 832), (1248, 416), (1040, 936), (417, 417), (416, 416)),
    *((300, 500), (500, 300), (208, 416), (100, 120), (33, 47), (1000, 61), (97, 1000), (2, 3), (1, 1)),
]


@pytest.mark.parametrize("letterbox", [False, True])
@pytest.mark.parametrize("stored", SIZES)
def test_resizing_equals_opencv(dump: Program, tmp_path: Path, stored: tuple[int, int], letterbox: bool) -> None:
    path = tmp_path / "image.jpg"
    picture(*stored).save(path, quality=90)
    assert_same_pixels(dump, path, (416, 416), letterbox)


def save_kind(kind: str, path: Path) -> None:
    image = picture(50, 70)
    if kind == "greyscale":
        image.convert("L").save(path)
    elif kind == "CMYK":
        image.convert("CMYK").save(path)
    elif kind == "progressive":
        image.save(path, progressive=True)
    elif kind.startswith("subsampling"):
        image.save(path, subsampling=int(kind[-1]))
    else:
        exif = Image.Exif()
        exif[ORIENTATION] = int(kind[-1])
        image.save(path, exif=exif)


KINDS = [
    *("greyscale", "CMYK", "progressive", "subsampling 0", "subsampling 1", "subsampling 2"),
    *(f"orientation {number}" for number in range(1, 9)),
]


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_jpeg_equal_opencv(dump: Program, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "image.jpg"
    save_kind(kind, path)
    height, width = read_as_python(path).shape[:2]
    assert_same_pixels(dump, path, (height, width), False)


def tiff(*entries: tuple[int, int, int], order: bytes = b"II", mark: int = 42, start: int = 8, count: int = 0) -> bytes:
    """A TIFF structure with entries (tag, length, value), little endian only if `order` is II."""
    little = order == b"II"
    directory = (count or len(entries)).to_bytes(2, "little" if little else "big")
    for tag, length, value in entries:
        # A short integer stands at the beginning of the field for the value.
        code = "<HHIHH" if little else ">HHIHH"
        halves = (value & 0xFFFF, value >> 16) if little or tag == ORIENTATION else (value >> 16, value & 0xFFFF)
        directory += struct.pack(code, tag, 3, length, *halves)
    header = struct.pack("<2sHI" if little else ">2sHI", order, mark, start)
    return b"Exif\0\0" + header + directory


TURNED = (ORIENTATION, 1, 6)
MAKE, RESOLUTION, UNIT, WHITE_POINT, COPYRIGHT = 0x010F, 0x011A, 0x0128, 0x013E, 0x8298
# Segments APP1, and whether OpenCV turns the image.
EXIF = {
    "little endian": ([tiff(TURNED)], True),
    "big endian": ([tiff(TURNED, order=b"MM")], True),
    "another byte order counts as big endian": ([tiff(TURNED, order=b"XY")], True),
    "a wrong mark": ([tiff(TURNED, mark=43)], False),
    "another mark that TIFF has": ([tiff(TURNED, order=b"MM", mark=0x2A00)], False),
    "only the first segment counts": ([b"http://ns.adobe.com/xap/1.0/\0<x/>", tiff(TURNED)], False),
    "an empty segment first": ([b"", tiff(TURNED)], False),
    "the second segment does not matter": ([tiff(TURNED), tiff((ORIENTATION, 1, 3))], True),
    "another name than Exif": ([b"Exit\0\1" + tiff(TURNED)[6:]], True),
    "the first orientation counts": ([tiff(TURNED, (ORIENTATION, 1, 1))], True),
    "an unknown orientation": ([tiff((ORIENTATION, 1, 9))], False),
    "a directory beyond the end": ([tiff(TURNED, start=4000)], False),
    "a directory in the last bytes": ([tiff(TURNED, start=20)], False),
    "an overflowing start": ([tiff(TURNED, start=2**32 - 1)], False),
    "more entries than there are": ([tiff(TURNED, count=999)], True),
    "a text beyond the end before it": ([tiff((MAKE, 50, 4000), TURNED)], False),
    "a text beyond the end after it": ([tiff(TURNED, (COPYRIGHT, 50, 4000))], True),
    "a text within": ([tiff((MAKE, 9, 8), TURNED)], True),
    "a text of enormous length": ([tiff((MAKE, 2**32 - 1, 8), TURNED)], False),
    "a short text": ([tiff((MAKE, 4, 4000), TURNED)], True),
    "a fraction beyond the end": ([tiff((RESOLUTION, 1, 4000), TURNED)], False),
    "a fraction that just fits": ([tiff((RESOLUTION, 1, 26), TURNED)], True),
    "a fraction that just does not": ([tiff((RESOLUTION, 1, 27), TURNED)], False),
    "two fractions of which one fits": ([tiff((WHITE_POINT, 2, 26), TURNED)], False),
    "an unknown tag beyond the end": ([tiff((0x9999, 50, 4000), TURNED)], True),
    "a unit": ([tiff((UNIT, 1, 2), TURNED)], True),
    "cut off after the orientation": ([tiff(TURNED)[:-2]], True),
    "cut off in the orientation": ([tiff(TURNED)[:-3]], False),
    "nothing but a name": ([b"Exif\0\0"], False),
    "a byte order only": ([b"Exif\0\0II"], False),
}


@pytest.mark.parametrize(("segments", "is_turned"), EXIF.values(), ids=EXIF)
def test_exif_is_read_as_by_opencv(dump: Program, tmp_path: Path, segments: list[bytes], is_turned: bool) -> None:
    path = tmp_path / "image.jpg"
    picture(50, 70).save(path)
    content = path.read_bytes()
    marked = b"".join(b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data for data in segments)
    path.write_bytes(content[:2] + marked + content[2:])
    height, width = read_as_python(path).shape[:2]
    assert (height > width) == is_turned
    assert_same_pixels(dump, path, (height, width), False)


def claim_size(path: Path, width: int, height: int) -> None:
    """Let the header of a JPEG file give another size."""
    content = bytearray(path.read_bytes())
    start = content.index(b"\xff\xc0") + 5
    content[start : start + 4] = struct.pack(">HH", height, width)
    path.write_bytes(content)


def test_an_enormous_image_is_refused_before_it_takes_memory(build_dir: Path, dump: Program, tmp_path: Path) -> None:
    # The sanitizers take memory of their own.
    program = Program(build_dir / "tests" / "dump_image")
    path = tmp_path / "image.jpg"
    picture(32, 32).save(path)
    claim_size(path, 65_000, 65_000)
    result, peak_kib = program.run_for_peak_kib(path, 32, 32, 0, tmp_path / "out.raw")
    assert_refused(result, None, f"has 65000 x 65000 pixels, more than {MAX_PIXELS}", name="dump_image")
    assert peak_kib < 20_000
    with pytest.raises(InputError, match=f"has 65000 x 65000 pixels, more than {MAX_PIXELS}"):
        read_image_rgb(path)
    # Nor does the header of an allowed size without an image.
    claim_size(path, 30_000, 30_000)
    complete = path.read_bytes()
    path.write_bytes(complete.removesuffix(b"\xff\xd9"))
    result, peak_kib = program.run_for_peak_kib(path, 32, 32, 0, tmp_path / "out.raw")
    assert_refused(result, None, "image.jpg is cut off", name="dump_image")
    assert peak_kib < 20_000
    # Of an image that is read there is one copy in memory.
    path.write_bytes(complete)
    claim_size(path, 6000, 6000)
    result, peak_kib = program.run_for_peak_kib(path, 32, 32, 0, tmp_path / "out.raw")
    assert result.returncode == 0, result.stderr
    assert peak_kib * 1024 < 6000 * 6000 * 3 * 1.3


class Case:
    """A folder of JPEG files and a model for them."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program = program
        self.folder = folder / "images"
        self.folder.mkdir()
        self.model = write_fake_model(folder / "model.om", random_raw_maps(1))
        self.output = folder / "out"

    def add(self, name: str, height: int = 48, width: int = 80, seed: int = 0) -> Path:
        path = self.folder / name
        picture(height, width, seed).save(path, "JPEG")
        return path

    def run(self, *arguments: object):
        words = ("--engine", "acl", "--model", self.model, "--input", self.folder, "--output", self.output)
        return self.program.run(*words, *arguments)

    def describe(self, **values: object) -> None:
        path = Path(f"{self.model}.json")
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.fixture
def case(fake: Program, dump: Program, tmp_path: Path) -> Case:
    return Case(fake, tmp_path)


@pytest.mark.parametrize(("letterbox", "normalisation"), [(False, "imagenet"), (True, "imagenet"), (True, "unit")])
def test_jpeg_files_give_the_results_of_their_bins(
    case: Case, tmp_path: Path, letterbox: bool, normalisation: str
) -> None:
    paths = [case.add(f"COCO_val2014_{index + 1:012d}.jpg", 60 + index, 90, index) for index in range(3)]
    mean_std = NORMALISATIONS[normalisation]
    case.describe(letterbox=letterbox, **vars(mean_std))
    from_jpeg = assert_ran(case.run(), case.output)

    placed = [place_image(read_as_python(path), SIZE, letterbox) for path in paths]
    placements = [
        {"width": p.width, "height": p.height, "offset_xy": p.offset_xy, "share_xy": p.share_xy} for _, p in placed
    ]
    planes = [normalise(pixels, mean_std) for pixels, _ in placed]
    bins = write_bins(tmp_path / "bins", planes, placements=placements)
    change_json(bins / "index.json", lambda index: index.update(vars(mean_std)))
    output = tmp_path / "from_bins"
    from_bins = assert_ran(case.run("--input", bins, "--output", output), output)
    assert from_jpeg == from_bins and {d["image_id"] for d in from_jpeg} == {1, 2, 3}
    like = random_raw_maps(1)
    for path in paths:
        pairs = zip(read_raw_maps(case.output, path.stem, like), read_raw_maps(output, path.stem, like), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)


def test_several_readers_give_the_results_of_one(case: Case, tmp_path: Path) -> None:
    """Large images take longer than the small ones after them."""
    write_fake_model(case.model, random_raw_maps(1), batch=2)
    for number in range(1, 20):
        case.add(f"{number:02d}.jpg", 40 * (1 + 9 * (number % 4 == 1)), 60, number)
    one = tmp_path / "one"
    assert assert_ran(case.run("--threads", 1, "--output", one), one)
    assert_ran(case.run(), case.output)
    names = [path.relative_to(one) for path in one.rglob("*.*") if path.name != "benchmark.json"]
    assert len(names) == 1 + 3 * 19
    assert all((one / name).read_bytes() == (case.output / name).read_bytes() for name in names)


def test_the_first_bad_image_is_named(case: Case) -> None:
    """Even if a later one is found first: to see that the large one is cut off takes longer."""
    large = case.add("1.jpg", 1500, 1500)
    large.write_bytes(large.read_bytes()[:-5000])
    (case.folder / "2.jpg").write_bytes(b"not an image")
    assert_refused(case.run(), case.output, "1.jpg is cut off")


def test_ids_and_sizes_of_annotations(case: Case, tmp_path: Path) -> None:
    case.add("street.jpg")
    annotations = tmp_path / "instances.json"
    image = {"id": 77, "file_name": "val/street.jpg", "width": 80, "height": 48, "license": None}
    annotations.write_text(json.dumps({"info": {"n": [1.5e3, {}]}, "images": [image], "annotations": [{"bbox": [1]}]}))
    assert {d["image_id"] for d in assert_ran(case.run("--annotations", annotations), case.output)} == {77}

    annotations.write_text(json.dumps({"images": [{**image, "width": 81}]}))
    result = case.run("--annotations", annotations)
    assert_refused(result, case.output, "street.jpg is 80 x 48 pixels but its annotations say 81 x 48")
    annotations.write_text(json.dumps({"images": [{**image, "file_name": "other.jpg"}]}))
    output = tmp_path / "other"
    assert_refused(
        case.run("--annotations", annotations, "--output", output), output, "street.jpg is not in annotation"
    )
    assert_refused(case.run("--output", output), output, "street.jpg has no id", "--annotations")


def test_annotations_of_any_size_take_the_same_memory(case: Case, native: Program, tmp_path: Path) -> None:
    case.add("street.jpg")
    path = tmp_path / "instances.json"
    image = {"id": 77, "file_name": "another.jpg", "width": 80, "height": 48}
    polygon = [round(0.37 * number, 2) for number in range(40)]
    annotation = json.dumps({"id": 1, "image_id": 77, "bbox": [1.5, 2.5, 3, 4], "segmentation": [polygon]})

    def peak_kib(count: int) -> int:
        """Return the memory that it took to find out that the image is not in the annotations."""
        annotations = f"{annotation}, " * count + annotation
        path.write_text(f'{{"annotations": [{annotations}], "images": [{json.dumps(image)}]}}')
        words = ("--model", case.model, "--input", case.folder, "--annotations", path, "--output", case.output)
        result, peak = native.run_for_peak_kib(*words)
        assert_refused(result, case.output, "street.jpg is not in annotation file")
        return peak

    few, many = peak_kib(10), peak_kib(100_000)
    assert path.stat().st_size > 30e6
    assert many - few < 1024


def test_a_list_and_a_single_file(case: Case, tmp_path: Path) -> None:
    first, second = case.add("1.jpg"), case.add("Ärger 2.JPEG")
    (tmp_path / "list.txt").write_text(f"images/{second.name}\r\n\n", encoding="utf-8")
    found = assert_ran(case.run("--input", tmp_path / "list.txt"), case.output)
    assert {d["image_id"] for d in found} == {2}
    assert {d["image_id"] for d in assert_ran(case.run("--input", first), case.output)} == {1}
    assert {d["image_id"] for d in assert_ran(case.run(), case.output)} == {1, 2}


def test_a_list_of_windows(case: Case, tmp_path: Path) -> None:
    case.add("1.jpg")
    (tmp_path / "list.txt").write_text("images/1.jpg\r\n", encoding="utf-8-sig")
    assert assert_ran(case.run("--input", tmp_path / "list.txt"), case.output)
    (tmp_path / "list.txt").write_text("images/1.jpg\nimages/gone.jpg\n")
    result = case.run("--input", tmp_path / "list.txt")
    assert_refused(result, None, "gone.jpg cannot be opened (No such file or directory): check --input")
    (tmp_path / "list.txt").write_bytes(b"images/1.jpg\0\nimages/1.jpg\0a\n")
    result = case.run("--input", tmp_path / "list.txt")
    assert_refused(result, None, "1.jpg cannot be opened (its name goes on after a NUL): check --input")
    # The results of the first run are still there.
    assert (case.output / "detections.json").is_file()
    (tmp_path / "pipe.txt").symlink_to("/dev/zero")
    result = case.run("--input", tmp_path / "pipe.txt")
    assert_refused(result, None, "image list", "pipe.txt cannot be read (Not a regular file)")


def test_a_folder_holds_the_images_that_it_holds_for_python(case: Case) -> None:
    """Hidden files, as macOS writes them, and folders are no images."""
    case.add("1.jpe")
    case.add("2.jpg")
    (case.folder / "._2.jpg").write_bytes(b"\0\5\x16\7 of macOS")
    (case.folder / "3.jpg").mkdir()
    os.mkfifo(case.folder / "4.jpg")
    assert {path.name for path in find_images(case.folder)} == {"1.jpe", "2.jpg"}
    assert {d["image_id"] for d in assert_ran(case.run(), case.output)} == {1, 2}


def test_a_pipe_as_an_image(case: Case) -> None:
    os.mkfifo(case.folder / "1.jpg")
    result = case.run("--input", case.folder / "1.jpg")
    assert_refused(result, case.output, "1.jpg cannot be read (Not a regular file)")


@pytest.mark.parametrize("kind", ["greyscale", "CMYK", "progressive"])
def test_unusual_jpeg_files_run(case: Case, kind: str) -> None:
    save_kind(kind, case.folder / "1.jpg")
    assert assert_ran(case.run(), case.output)


def test_a_jpeg_that_is_png_inside(case: Case) -> None:
    picture(20, 20).save(case.folder / "1.jpg", "PNG")
    assert_refused(case.run(), case.output, "1.jpg cannot be read as JPEG", "0x89 0x50")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.99])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_is_cut_off(case: Case, share: float, progressive: bool) -> None:
    path = case.folder / "1.jpg"
    picture(200, 300).save(path, progressive=progressive)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert_refused(case.run(), case.output, "1.jpg is cut off")


@pytest.mark.parametrize("content", [b"", b"\xff", b"\xff\xd8\xff", b"not an image", b"\xff\xd8" + b"\0" * 500])
def test_what_is_no_jpeg(case: Case, content: bytes) -> None:
    (case.folder / "1.jpg").write_bytes(content)
    assert_refused(case.run(), case.output, "1.jpg")


def test_files_whose_results_would_collide(case: Case) -> None:
    case.add("1.jpg")
    case.add("1.jpeg")
    assert_refused(case.run(), case.output, "1.jpeg and", "same name")


def test_files_of_one_id(case: Case, tmp_path: Path) -> None:
    case.add("cam_1.jpg")
    case.add("street_1.jpg")
    assert_refused(case.run(), case.output, "cam_1.jpg and", "street_1.jpg have the same id 1", "--annotations")
    images = [
        {"id": number, "file_name": f"{folder}/cam_1.jpg", "width": 80, "height": 48}
        for number, folder in enumerate(("train", "val"))
    ]
    annotations = tmp_path / "instances.json"
    annotations.write_text(json.dumps({"images": images}))
    assert_refused(case.run("--annotations", annotations), case.output, "has two images named cam_1.jpg")


def test_broken_bytes_never_crash(dump: Program, tmp_path: Path) -> None:
    """Random damage, EXIF included: an image or one sentence, and no report of a sanitizer."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    path = tmp_path / "image.jpg"
    picture(40, 60).save(path, exif=exif)
    content = np.frombuffer(path.read_bytes(), np.uint8)
    random = np.random.default_rng(0)
    for _ in range(60):
        damaged = content.copy()
        # Beyond the first bytes, and mostly in the headers.
        places = random.integers(2, random.choice([60, 700, len(content)]), 3)
        damaged[places] = random.integers(0, 256, 3)
        path.write_bytes(damaged.tobytes())
        result = dump.run(path, 32, 32, 0, tmp_path / "out.raw")
        assert result.returncode in (0, 1), result.stderr
        assert result.returncode == 0 or result.stderr.startswith("dump_image: image ")
