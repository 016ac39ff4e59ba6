"""Pack what a target host needs to run the trained network: program, libraries, models, licences and instructions."""

import dataclasses
import platform
import re
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from yolov3.errors import InputError
from yolov3.export.description import ModelDescription
from yolov3.external_tool import find_tool
from yolov3.files import complete_file, read_json, sha256_of

# Parts of the C library, which every host has and which must be its own.
SYSTEM_LIBRARIES = re.compile(r"(ld-linux.*|lib(c|m|mvec|dl|pthread|rt|resolv|util|anl))\.so.*")
# OpenVINO loads its plugins by name from the folder of its library; these run ONNX files on a CPU.
OPENVINO_PLUGINS = ("libopenvino_intel_cpu_plugin.so", "libopenvino_onnx_frontend.so*", "libhwloc.so*", "libtbb*.so*")
SOURCE_PARTS = ("CMakeLists.txt", "README.md", "cmake", "src", "tools")
# Licence texts: of Python packages in their metadata, of system libraries where Debian and its relatives keep them.
LICENSED_PACKAGES = ("openvino", "nlohmann-json")
SYSTEM_LICENSES = {"libjpeg.so": "libjpeg*", "libstdc++.so": "libstdc++6*", "libgcc_s.so": "libgcc-s1*"}
DOC_DIR = Path("/usr/share/doc")
NOTICES = """The file LICENSE (Apache License 2.0) is that of this program. It is also that of MindSpore Lite, with
oneDNN and OpenCV, and of OpenVINO, with oneTBB, where their libraries are in lib/. nlohmann/json is under the MIT
licence, libjpeg-turbo under the IJG and BSD licences, hwloc under the BSD licence, the GCC runtime libraries under the
GPL 3 with the runtime library exception.
"""


@dataclass(frozen=True)
class PackedModel:
    """A model of the package.

    Attributes:
        name: "float" or "int8".
        file: model file, with its description beside it.
        engine, device: how the native program runs it.
        metrics: metrics.json of its evaluation by the native program.
    """

    name: str
    file: Path
    engine: str
    device: str
    metrics: Path

    @classmethod
    def of(cls, name: str, metrics: Path, files: list[Path]) -> "PackedModel":
        """Return the model that a native run has evaluated.

        Raises:
            InputError: the metrics are not of a native run of one of the files.
        """
        if not files:
            raise InputError(
                f"model {name} has no file: give its name, the metrics.json of its native run, and its file"
            )
        run = read_json(metrics, "metrics file").get("native", {})
        file = next((file for file in files if file.name == run.get("model_file")), None)
        if file is None:
            raise InputError(f"metrics file {metrics} is not of a native run of {files[0].name}: run inference again")
        return cls(name, file, run["engine"], run["device"], metrics)


@dataclass(frozen=True)
class PackageSettings:
    """What goes into a package.

    Attributes:
        program: the native program, beside its engines; None packs its source only, for hosts of another kind.
        source_dir: its source.
        license_file: licence of the project.
        score_thresholds: score of the best F1 of each class.
        score: that of all classes together.
        nms_thresh: IoU threshold of the suppression with which they were chosen.
    """

    program: Path | None
    source_dir: Path
    license_file: Path
    score_thresholds: tuple[float, ...]
    score: float
    nms_thresh: float


def write_package(models: list[PackedModel], settings: PackageSettings, folder: Path, archive: Path) -> None:
    """Write the folder and an archive of it; an older folder is replaced.

    Raises:
        InputError: a file or a library is missing.
    """
    for file in (settings.license_file, settings.source_dir / "CMakeLists.txt", *(model.file for model in models)):
        if not file.is_file():
            raise InputError(f"{file} does not exist but belongs into the package: restore it or check the path")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as name:
        work = Path(name) / folder.name
        _write_folder(models, settings, work)
        with complete_file(archive) as temporary, tarfile.open(temporary, "w:gz", compresslevel=1) as stream:
            stream.add(work, work.name, filter=_anonymous)
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)


def _write_folder(models: list[PackedModel], settings: PackageSettings, folder: Path) -> None:
    (folder / "models").mkdir(parents=True)
    for model in models:
        target = folder / "models" / f"{model.name}{model.file.suffix}"
        shutil.copyfile(model.file, target)
        description = ModelDescription.read(model.file)
        dataclasses.replace(description, score_thresholds=settings.score_thresholds).write(target)
    if settings.program:
        _copy_program(settings.program, {model.engine for model in models}, folder)
    source = folder / "native310"
    source.mkdir()
    for part in SOURCE_PARTS:
        place = settings.source_dir / part
        if place.is_dir():
            shutil.copytree(place, source / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(place, source / part)
    _write_licenses(settings.license_file, folder)
    script = folder / "run.sh"
    script.write_text(_run_script(models, settings), encoding="utf-8")
    script.chmod(0o755)
    (folder / "README.md").write_text(_readme(models, settings), encoding="utf-8")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sums = [f"{sha256_of(path)}  {path.relative_to(folder)}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")


def _copy_program(program: Path, engines: set[str], folder: Path) -> None:
    (folder / "bin").mkdir()
    (folder / "lib").mkdir()
    modules = [program.with_name(f"libnative310_engine_{engine}.so") for engine in sorted(engines)]
    for file in (program, *modules):
        if not file.is_file():
            raise InputError(f"{file} does not exist: build it with `snakemake build_native310`")
        shutil.copy(file, folder / "bin")
        for name, place in libraries_of(file).items():
            shutil.copyfile(place, folder / "lib" / name)
            if name.startswith("libopenvino.so"):
                for pattern in OPENVINO_PLUGINS:
                    for plugin in place.parent.glob(pattern):
                        shutil.copyfile(plugin, folder / "lib" / plugin.name)


def libraries_of(file: Path) -> dict[str, Path]:
    """Return the shared libraries of a program or library, without those of the C library, by name.

    Raises:
        InputError: one is missing on this host.
    """
    ldd = find_tool("ldd", "install the C library's tools (Debian package libc-bin)")
    lines = subprocess.run([ldd, str(file)], capture_output=True, text=True, check=False).stdout.splitlines()
    libraries = {}
    for line in lines:
        name, _, place = line.strip().partition(" => ")
        place = place.rpartition(" (")[0]
        if "not found" in line:
            raise InputError(f"{file} needs {name}, which this host does not have: build it again on this host")
        if place and not SYSTEM_LIBRARIES.fullmatch(name):
            libraries[name] = Path(place)
    return libraries


def _write_licenses(license_file: Path, folder: Path) -> None:
    shutil.copyfile(license_file, folder / "LICENSE")
    licenses = folder / "licenses"
    licenses.mkdir()
    (licenses / "NOTICES").write_text(NOTICES, encoding="utf-8")
    for name in LICENSED_PACKAGES:
        try:
            files = distribution(name).files or []
        except PackageNotFoundError:
            continue
        for file in files:
            if "licenses" in file.parts and Path(str(file.locate())).is_file():
                target = licenses / name / Path(*file.parts[file.parts.index("licenses") + 1 :])
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(file.locate()), target)
    for library, pattern in SYSTEM_LICENSES.items():
        text = next((path for path in sorted(DOC_DIR.glob(f"{pattern}/copyright")) if path.is_file()), None)
        if text and any((folder / "lib").glob(f"{library}*")):
            (licenses / library.removesuffix(".so")).mkdir()
            shutil.copyfile(text, licenses / library.removesuffix(".so") / "copyright")


def _run_script(models: list[PackedModel], settings: PackageSettings) -> str:
    cases = "\n".join(
        f"  {model.name}) file=models/{model.name}{model.file.suffix} engine={model.engine} device={model.device} ;;"
        for model in models
    )
    names = " or ".join(model.name for model in models)
    return f"""#!/bin/sh
# Detect objects in JPEG pictures: ./run.sh {names} PICTURES OUTPUT [options of native310]
# PICTURES is a folder, a file or a list of files (.txt). OUTPUT/detections.json has COCO results.
set -e
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
if [ $# -lt 3 ]; then
  echo "usage: $0 {"|".join(model.name for model in models)} PICTURES OUTPUT [options of native310]" >&2
  exit 2
fi
case "$1" in
{cases}
  *) echo "there is no model $1: choose {names}" >&2; exit 2 ;;
esac
pictures=$2 output=$3
shift 3
export LD_LIBRARY_PATH="$here/lib${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
exec "$here/bin/native310" --model "$here/$file" --engine "$engine" --device "$device" --raw 0 \\
  --score_threshold {settings.score:g} --nms_threshold {settings.nms_thresh:g} \\
  --input "$pictures" --output "$output" "$@"
"""


def _readme(models: list[PackedModel], settings: PackageSettings) -> str:
    description = ModelDescription.read(models[0].file)
    rows = []
    for model in models:
        metrics: dict[str, Any] = read_json(model.metrics, "metrics file")
        speed = f"{metrics['native']['network_ms']['mean']:.1f} ms on {metrics['native']['threads']} threads"
        size = f"{model.file.stat().st_size / 1e6:.2f} MB"
        rows.append(
            f"| {model.name} | {model.engine} | {metrics['AP']:.4f} | {metrics['AP50']:.4f} | {speed} | {size} |"
        )
    scores = ", ".join(
        f"{name} {score:g}" for name, score in zip(description.class_names, settings.score_thresholds, strict=True)
    )
    width, height = description.input_size[::-1]
    build = "Build `native310/` on the target host as its README says, and put program and engines into `bin/`."
    if settings.program:
        kind = f"{platform.system()} on {platform.machine()}"
        build = f"`bin/` and `lib/` are for {kind}. For other hosts, or Ascend: {build[0].lower()}{build[1:]}"
    table = "\n".join(rows)
    return f"""# YOLOv3-DarkNet53, {width} x {height} pixels

```sh
sha256sum --check --quiet SHA256SUMS
./run.sh {models[0].name} PICTURES OUTPUT
```

detects objects in JPEG pictures and writes `OUTPUT/detections.json`, COCO results with boxes as left, top, width and
height in pixels, and `OUTPUT/benchmark.json`, timings. The id of an image is the number at the end of its name, or
that of `--annotations FILE`. Detections with a score of at least {settings.score:g} are written, which had the best F1
of all classes on the validation images; `--score_threshold` sets another. The best of each class: {scores}.

| Model | Engine | AP | AP50 | Network | Size |
|---|---|---|---|---|---|
{table}

Measured by this program on the validation images, on the host where the package was made.

{build}
Licences: `LICENSE` and `licenses/`.
"""


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave user and time out of the archive, so that equal content gives equal entries."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    return entry
