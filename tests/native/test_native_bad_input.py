"""Whatever is wrong with arguments, input or disk is told in one sentence, and nothing half-written is left."""

import json
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from native_helpers import (
    ANCHORS,
    SIZE,
    Program,
    assert_ran,
    assert_refused,
    change_json,
    describe_model,
    random_raw_maps,
    write_bins,
    write_fake_model,
)


class Case:
    """A run that would end well, to spoil."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program = program
        self.model = write_fake_model(folder / "model.om", random_raw_maps(1))
        self.bins = write_bins(folder / "bins", [np.ones((3, *SIZE), np.float32)] * 3)
        self.index = self.bins / "index.json"
        self.output = folder / "out"

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        words = ("--engine", "acl", "--model", self.model, "--input", self.bins, "--output", self.output)
        return self.program.run(*words, *arguments)

    def change_index(self, **values: object) -> None:
        change_json(self.index, lambda index: index.update(values))

    def change_image(self, **values: object) -> None:
        change_json(self.index, lambda index: index["images"][1].update(values))


@pytest.fixture
def case(fake: Program, tmp_path: Path) -> Case:
    return Case(fake, tmp_path)


def test_it_would_end_well(case: Case) -> None:
    assert_ran(case.run(), case.output)


def test_the_index_stands_for_its_folder(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case.bins)
    found = assert_ran(case.run(), case.output)
    for path in (case.index, "index.json"):
        assert assert_ran(case.run("--input", path), case.output) == found


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--threads", "0"], "--threads is 0: give a whole number of at least 1"),
        (["--threads", "two"], "--threads is two"),
        (["--threads", "99999999999"], "--threads is 99999999999"),
        (["--threads"], "--threads has no value"),
        (["--warmup", "-1"], "--warmup is -1"),
        (["--engine", "tensorflow"], "lite, openvino, acl"),
        (["--device", "gpu"], "cpu, ascend"),
        (["--device", "cpu"], "engine acl has no device cpu"),
        (["--raw", "yes"], "--raw is yes"),
        (["--score_threshold", "1.5"], "--score_threshold is 1.5"),
        (["--nms_threshold", "nan"], "--nms_threshold is nan"),
        (["--max_detections", ""], "--max_detections"),
        (["--colour", "red"], "unknown option --colour"),
        (["positional"], "unknown option positional"),
        (["--output", ""], "--output"),
    ],
)
def test_bad_arguments(case: Case, arguments: list[str], part: str) -> None:
    assert_refused(case.run(*arguments), case.output, part, code=2)


def test_help_names_all_options(fake: Program) -> None:
    result = fake.run("--help")
    assert result.returncode == 0 and result.stderr == ""
    for option in ("model", "engine", "device", "device_id", "input", "output", "threads", "warmup", "raw", "help"):
        assert f"--{option}" in result.stdout


def test_an_engine_that_was_not_built(case: Case) -> None:
    assert_refused(
        case.run("--engine", "openvino"), case.output, "engine openvino is not in this build", "OpenVINO_DIR"
    )


def test_a_model_of_another_engine(case: Case, tmp_path: Path) -> None:
    case.model = describe_model((case.model).rename(tmp_path / "model.onnx"))
    assert_refused(case.run(), case.output, "engine acl reads .om files", "model.onnx")


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (lambda path: path.unlink(), "model.om cannot be opened (No such file or directory)"),
        (lambda path: path.write_bytes(b""), "has only 0 bytes"),
        (lambda path: (path.unlink(), path.mkdir()), "model.om cannot be read (Is a directory)"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "model.om cannot be read (Not a regular file)"),
        (lambda path: Path(f"{path}.json").unlink(), "model.om.json cannot be opened"),
        (lambda path: Path(f"{path}.json").write_text("{"), "at byte 2 (parse error at line 1, column 2: "),
        (lambda path: change_json(Path(f"{path}.json"), lambda value: value.pop("anchors")), "has no anchors"),
        (
            lambda path: change_json(Path(f"{path}.json"), lambda value: value["anchors"].pop()),
            "has an array of 8 as anchors, not an array of 9",
        ),
        (
            lambda path: change_json(Path(f"{path}.json"), lambda value: value.update(format=2)),
            "has 2 as format, not 1",
        ),
        (
            lambda path: change_json(Path(f"{path}.json"), lambda value: value["category_ids"].pop()),
            "of the 3 class_names",
        ),
        (lambda path: describe_model(path, (96, 96)), "64 x 96"),
        (lambda path: describe_model(path, anchors=[[10, 0], *ANCHORS[1:]]), "as anchors, not nine pairs of lengths"),
        (lambda path: describe_model(path, anchors=[*ANCHORS[1:], [1e300, 9]]), "as anchors, not nine pairs of"),
        (lambda path: describe_model(path, mean_rgb=[0, 0, -1]), "as mean_rgb, not three numbers from 0 to 1"),
        (lambda path: describe_model(path, std_rgb=[0, 1, 1]), "as std_rgb, not three numbers from 0.001 to 1"),
    ],
)
def test_a_bad_model_or_description(case: Case, spoil, part: str) -> None:
    spoil(case.model)
    assert_refused(case.run(), case.output, part)


def test_no_such_input(case: Case, tmp_path: Path) -> None:
    assert_refused(case.run("--input", tmp_path / "nowhere"), case.output, "nowhere does not exist")
    (tmp_path / "empty").mkdir()
    assert_refused(case.run("--input", tmp_path / "empty"), case.output, "has neither index.json nor JPEG files")


@pytest.mark.parametrize("bytes_more", [-1, 1, -73728])
def test_a_bin_of_wrong_size(case: Case, bytes_more: int) -> None:
    path = case.bins / "COCO_val2014_000000000002.bin"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) + bytes_more] if bytes_more < 0 else content + b"x")
    wanted = str(len(content) + bytes_more)
    assert_refused(case.run(), case.output, path.name, f"has {wanted} bytes", f"take {len(content)}")


def test_an_index_that_names_a_missing_bin(case: Case) -> None:
    case.change_image(file="gone.bin")
    assert_refused(case.run(), case.output, "gone.bin cannot be opened (No such file or directory)")


def test_an_empty_index(case: Case) -> None:
    case.change_index(images=[])
    assert_refused(case.run(), case.output, "names no image")
    case.index.write_bytes(b"")
    assert_refused(case.run(), case.output, "index.json is not valid JSON at byte 1 (parse error at line 1, column 1: ")


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"format": 2}, "has 2 as format, not 1: write the bins again"),
        ({"input_size": [96, 64]}, "are 96 x 64 pixels but the model expects 64 x 96"),
        ({"input_size": [64]}, "has an array of 1 as input_size, not an array of 2"),
        ({"input_size": [0, 96]}, "has 0 as input_size[0], not a length in pixels"),
        ({"dtype": "float16"}, 'has "float16" as dtype, not float32 or uint8'),
        ({"layout": "CHWN"}, 'has "CHWN" as layout, not NCHW or NHWC'),
        ({"mean_rgb": [1, 2]}, "has an array of 2 as mean_rgb, not an array of 3"),
        ({"mean_rgb": [1, 2, "x"]}, 'has "x" as mean_rgb[2], not a number'),
        ({"mean_rgb": [0, 0, 1e300]}, "as mean_rgb, not three numbers from 0 to 1"),
        ({"std_rgb": [0.2, 0.2, -0.2]}, "as std_rgb, not three numbers from 0.001 to 1"),
        ({"images": {"id": 1}}, "names no image"),
    ],
)
def test_a_wrong_index(case: Case, values: dict, part: str) -> None:
    case.change_index(**values)
    assert_refused(case.run(), case.output, "index.json", part)


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"width": 0}, "has 0 as images[1].width, not a length in pixels of at least 1"),
        ({"id": 1.5}, "has 1.5 as images[1].id, not a whole number"),
        ({"id": 10**400}, "is not valid JSON at byte"),
        ({"name": ""}, 'has "" as images[1].name, not a file name'),
        ({"name": "../escaped"}, 'has "../escaped" as images[1].name, not a file name'),
        ({"name": "COCO_val2014_000000000001"}, "two images named"),
        ({"id": 1}, "two images with id 1"),
        ({"name": "a\0b"}, "as images[1].name, not a file name"),
        ({"file": "a\0b"}, "as images[1].file, not a path"),
        ({"share_xy": [0, 1]}, "as images[1].share_xy, not two numbers above 0"),
        ({"share_xy": [1, 1e300]}, "as images[1].share_xy, not two numbers above 0"),
        ({"offset_xy": [-0.1, 0]}, "as images[1].offset_xy, not two numbers from 0"),
        ({"offset_xy": [0.5, 0], "share_xy": [0.6, 1]}, "as images[1].share_xy, not two numbers above 0 that are"),
    ],
)
def test_a_wrong_image_in_the_index(case: Case, values: dict, part: str) -> None:
    case.change_image(**values)
    assert_refused(case.run(), case.output, "index.json", part)


def test_a_missing_share_counts_as_one(case: Case) -> None:
    def remove_share(index: dict) -> None:
        index["images"][1] = {**index["images"][1], "offset_xy": [0.5, 0]}
        del index["images"][1]["share_xy"]

    change_json(case.index, remove_share)
    assert_refused(case.run(), case.output, "index.json has no images[1].share_xy, which must be two numbers above 0")


def test_raw_maps_of_an_earlier_run_are_gone(case: Case) -> None:
    maps = case.output / "result_Files"
    assert_ran(case.run(), case.output)
    assert len(list(maps.iterdir())) == 9
    case.change_index(images=json.loads(case.index.read_text())["images"][:1])
    assert_ran(case.run(), case.output)
    first = {f"COCO_val2014_000000000001_{number}.bin" for number in range(3)}
    assert {path.name for path in maps.iterdir()} == first
    assert_ran(case.run("--raw", 0), case.output)
    assert not list(maps.iterdir())


def test_names_with_spaces_and_other_alphabets(case: Case, tmp_path: Path) -> None:
    case.change_image(name="Käse 图像")
    case.output = tmp_path / "aus gabe 输出"
    assert_ran(case.run(), case.output)
    assert (case.output / "result_Files" / "Käse 图像_2.bin").is_file()


@pytest.mark.parametrize(
    "values", [slice(4, 5), slice(5, None), slice(7, 8)], ids=["confidence", "classes", "last class"]
)
def test_values_that_are_not_numbers(case: Case, values: slice) -> None:
    raw_maps = random_raw_maps(1)
    for raw in raw_maps:
        raw.reshape(3, -1, *raw.shape[1:])[:, values] = np.nan
    write_fake_model(case.model, raw_maps)
    assert_refused(case.run(), case.output, "image COCO_val2014_000000000001", "not a number")


def test_bins_of_another_normalisation(case: Case) -> None:
    case.change_index(mean_rgb=[0, 0, 0], std_rgb=[1, 1, 1])
    assert_refused(case.run(), case.output, "index.json", "another mean_rgb or std_rgb", "write bins")


def test_what_a_killed_run_left_goes(case: Case) -> None:
    assert_ran(case.run(), case.output)
    wanted = sorted(path.name for path in case.output.rglob("*"))
    left = [f"{folder}.native310.{digit * 16}" for folder in ("", "result_Files/") for digit in "0f"]
    kept = [".native310.mine", ".native310.01234567"]
    for name in (*left, *kept):
        (case.output / name).touch()
    assert case.run().returncode == 0
    names = sorted(path.name for path in case.output.rglob("*"))
    assert names == sorted([*wanted, *(Path(name).name for name in kept)])


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_do_not_reach_the_results(case: Case, tmp_path: Path, closed: str) -> None:
    assert_ran(case.run(), case.output)
    wanted = (case.output / "detections.json").read_text()
    # The shell gives "$@" the streams that it has left.
    shell = Program(Path("/bin/sh"), case.program.environment)
    words = ("--engine", "acl", "--model", case.model, "--input", case.bins, "--output", case.output)
    result = shell.run("-c", f'exec "$@" {closed}', "sh", *case.program.command(*words))
    assert_ran(result, case.output)
    assert (case.output / "detections.json").read_text() == wanted


def start_endless_run(case: Case) -> subprocess.Popen[bytes]:
    """Start a run that stays in its warm-up and return when it has prepared its output folder."""
    words = ["--engine", "acl", "--model", case.model, "--input", case.bins, "--output", case.output]
    command = case.program.command(*words, "--warmup", 2**31 - 1)
    process = subprocess.Popen(command, env=case.program.environment)
    while not (case.output / "result_Files").is_dir():
        assert process.poll() is None
        time.sleep(0.01)
    return process


def test_two_runs_into_one_folder(case: Case) -> None:
    first = start_endless_run(case)
    try:
        second = case.run()
        left = {path.name for path in case.output.iterdir()}
    finally:
        first.kill()
        first.wait()
    assert_refused(second, None, f"another run writes to output folder {case.output}", "choose another --output")
    # The first run's own files were not touched, and nothing of it is in the way of a third.
    assert {name.rpartition(".")[0] for name in left - {"result_Files"}} == {".native310"}
    assert_ran(case.run(), case.output)


def test_a_model_that_is_removed_during_the_run(case: Case) -> None:
    model_bytes = case.model.stat().st_size
    words = ["--engine", "acl", "--model", case.model, "--input", case.bins, "--output", case.output]
    process = subprocess.Popen(
        case.program.command(*words, "--warmup", 3000),
        env=case.program.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (case.output / "result_Files").is_dir():
        assert process.poll() is None
        time.sleep(0.001)
    case.model.unlink()
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert json.loads((case.output / "benchmark.json").read_text())["model_bytes"] == model_bytes


def test_links_in_the_output_folder_are_not_followed(case: Case, tmp_path: Path) -> None:
    """Files appear under a random name, and in place of a link, not in its target."""
    case.output.mkdir()
    target = tmp_path / "precious"
    target.write_text("precious")
    (case.output / "detections.json").symlink_to(target)
    assert_ran(case.run(), case.output)
    assert target.read_text() == "precious" and not (case.output / "detections.json").is_symlink()


def test_a_linked_folder_of_raw_maps_is_not_emptied(case: Case, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a_0.bin").write_text("precious")
    case.output.mkdir()
    (case.output / "result_Files").symlink_to(elsewhere)
    assert_refused(case.run(), case.output, "result_Files, which is a link", "choose another --output")
    assert (elsewhere / "a_0.bin").read_text() == "precious"


def test_snakemakes_mark_in_the_raw_folder_stays(case: Case) -> None:
    assert_ran(case.run(), case.output)
    mark = case.output / "result_Files" / ".snakemake_timestamp"
    mark.touch()
    assert case.run().returncode == 0
    assert mark.is_file()


@pytest.mark.parametrize("name", ["notes.bin", "a_0.txt", "a_0.bin/"])
def test_another_programs_raw_folder_is_not_emptied(case: Case, name: str) -> None:
    assert_ran(case.run(), case.output)
    maps = case.output / "result_Files"
    (maps / name).mkdir() if name.endswith("/") else (maps / name).touch()
    before = sorted(path.name for path in case.output.rglob("*"))
    result = case.run()
    assert_refused(result, None, f"result_Files would be emptied but has {name.rstrip('/')}", "choose another --output")
    assert sorted(path.name for path in case.output.rglob("*")) == before


def test_a_pipe_as_a_bin(case: Case) -> None:
    path = case.bins / "COCO_val2014_000000000002.bin"
    path.unlink()
    os.mkfifo(path)
    assert_refused(case.run(), case.output, f"{path.name} cannot be read (Not a regular file)")


def test_a_pipe_as_the_index(case: Case) -> None:
    case.index.unlink()
    os.mkfifo(case.index)
    assert_refused(case.run(), case.output, "index.json cannot be read (Not a regular file)")


def test_names_as_long_as_the_file_system_allows(case: Case) -> None:
    assert_ran(case.run(), case.output)
    longest = os.pathconf(case.output, "PC_NAME_MAX") - len("_0.bin")
    case.change_image(name="x" * (longest + 1))
    # The results of the earlier run are still there.
    assert_refused(case.run(), None, f"{longest + 7} bytes where the file system allows {longest + 6}", "--raw 0")
    assert (case.output / "detections.json").is_file()
    assert_ran(case.run("--raw", 0), case.output)
    case.change_image(name="x" * longest)
    assert_ran(case.run(), case.output)


def test_threads_are_limited_to_the_cpus(case: Case) -> None:
    assert_ran(case.run("--threads", 4096), case.output)
    threads = json.loads((case.output / "benchmark.json").read_text())["threads"]
    assert threads == len(os.sched_getaffinity(0))


def test_an_output_folder_that_cannot_be_made(case: Case, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    case.output = tmp_path / "file" / "out"
    assert_refused(case.run(), case.output, "file/out cannot be created")
    case.output = tmp_path / "file"
    assert_refused(case.run(), None, "output folder", "cannot be created")
    case.output = Path("/proc/native310_out")
    assert_refused(case.run(), None, "/proc/native310_out cannot be created")


def test_an_output_folder_without_permission(case: Case) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    case.output.mkdir(mode=0o555)
    assert_refused(case.run(), case.output, "cannot be written")


@pytest.mark.parametrize("limit_bytes", [0, 2000, 20_000])
def test_a_file_that_cannot_grow(case: Case, limit_bytes: int) -> None:
    """A limit on the size of files stops writing at any point, as a full disk does, and needs no root."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    words = ["--engine", "acl", "--model", case.model, "--input", case.bins, "--output", case.output]
    result = subprocess.run(
        case.program.command(*words),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
    )
    assert_refused(result, case.output, "cannot be written (File too large)", "free some disk space")


def test_a_full_disk(case: Case, tmp_path: Path) -> None:
    case.output = tmp_path / "small"
    case.output.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(case.output)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    try:
        result = case.run()
        assert_refused(result, case.output, "cannot be written (No space left on device)", "free some disk space")
    finally:
        subprocess.run(["umount", str(case.output)], check=True)
