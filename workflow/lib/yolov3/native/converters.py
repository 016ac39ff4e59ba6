"""Run the vendors' model compilers: MindSpore Lite's converter for .ms and .mindir, CANN's atc for .om."""

import shutil
import tempfile
from pathlib import Path

from yolov3.errors import InputError
from yolov3.external_tool import find_tool, run_tool
from yolov3.files import complete_file

FRAMEWORKS = {".onnx": "ONNX", ".mindir": "MINDIR"}
AIR_FRAMEWORK = 1
SAVE_TYPES = {".ms": "MINDIR_LITE", ".mindir": "MINDIR"}


def convert(
    converter: str,
    model: Path,
    output: Path,
    config_text: str = "",
    more_arguments: tuple[str, ...] = (),
    aipp: str = "",
) -> list[str]:
    """Convert a model for MindSpore Lite.

    Args:
        converter: path or name of the program.
        model: .onnx or .mindir file.
        output: .ms (runs on CPUs, input NHWC) or .mindir file (input NCHW); appears when complete.
        config_text: content of the converter's config file; empty for none.
        more_arguments: further arguments, such as "--optimize=ascend_oriented".
        aipp: configuration of image preprocessing to include (Ascend only); empty for none.

    Returns:
        The lines that the converter printed.

    Raises:
        InputError: a file or the program is missing, or the program fails.
    """
    remedy = "give --converter the mslite_convert that the runtime stage builds, or a vendor's converter_lite"
    program = find_tool(converter, remedy)
    _require_file(model, "run the export stage first, or check the path")
    for path, suffixes in ((model, FRAMEWORKS), (output, SAVE_TYPES)):
        _require_suffix(path, tuple(suffixes))
    # The converter has trouble with spaces in paths, and makes its output readable for the owner only.
    with tempfile.TemporaryDirectory(prefix="convert-") as folder:
        work = Path(folder)
        source = work / f"source{model.suffix}"
        source.symlink_to(model.absolute())
        command = [
            program,
            f"--fmk={FRAMEWORKS[model.suffix]}",
            f"--modelFile={source}",
            f"--outputFile={work / 'converted'}",
            f"--saveType={SAVE_TYPES[output.suffix]}",
            *more_arguments,
        ]
        if aipp:
            config_text += _aipp_sections(work, aipp)
        if config_text:
            config = work / "config.ini"
            config.write_text(config_text, encoding="utf-8")
            command.append(f"--configFile={config}")
        remedy = f"check that {model} is a complete file of a supported model, see the log above"
        return _compile(command, model, work / f"converted{output.suffix}", output, remedy)


def compile_om(air: Path, output: Path, soc_version: str, atc: str = "atc", aipp: str = "") -> list[str]:
    """Compile an AIR file to an offline model.

    Args:
        air: .air file.
        output: .om file; appears when complete.
        soc_version: chip, such as Ascend310.
        atc: path or name of the program.
        aipp: configuration of image preprocessing to include; empty for none.

    Returns:
        The lines that atc printed.

    Raises:
        InputError: a file or the program is missing, or the program fails.
    """
    program = find_tool(atc, "install CANN and source its set_env.sh, or give the path of atc")
    _require_file(air, "export it as AIR on an Ascend host, or check the path")
    _require_suffix(output, (".om",))
    with tempfile.TemporaryDirectory(prefix="atc-") as folder:
        compiled = Path(folder) / "model"
        command = [
            program,
            "--input_format=NCHW",
            f"--framework={AIR_FRAMEWORK}",
            f"--model={air.absolute()}",
            f"--output={compiled}",
            f"--soc_version={soc_version}",
            *([f"--insert_op_conf={_aipp_file(Path(folder), aipp)}"] if aipp else []),
        ]
        remedy = f"check that {air} is a complete AIR file and soc_version is that of the chip"
        return _compile(command, air, compiled.with_suffix(".om"), output, remedy)


def _aipp_file(folder: Path, aipp: str) -> Path:
    path = folder / "aipp.cfg"
    path.write_text(aipp, encoding="utf-8")
    return path


def _aipp_sections(folder: Path, aipp: str) -> str:
    """Return the sections of the converter's config file that include an AIPP configuration.

    Source: MindSpore Lite's documentation, "Integrated Ascend" (acl_option_cfg_param) and "Ascend Conversion Tool
    Description" (ascend_context), between which the name of the section changed.
    """
    path = _aipp_file(folder, aipp)
    names = ("acl_option_cfg_param", "ascend_context")
    return "".join(f"[{name}]\ninsert_op_config_file_path={path}\n" for name in names)


def _require_file(model: Path, remedy: str) -> None:
    if not model.is_file():
        raise InputError(f"model {model} does not exist: {remedy}")


def _require_suffix(model: Path, suffixes: tuple[str, ...]) -> None:
    if model.suffix not in suffixes:
        raise InputError(f"model {model} must have a name that ends in {' or '.join(suffixes)}: rename it")


def _compile(command: list[str], model: Path, compiled: Path, output: Path, remedy: str) -> list[str]:
    lines = run_tool(command, remedy)
    if not compiled.is_file():
        last_line = lines[-1] if lines else "it printed nothing"
        raise InputError(f"{Path(command[0]).name} wrote no model from {model} ({last_line}): see the log above")
    with complete_file(output) as temporary:
        shutil.copyfile(compiled, temporary)
    return lines
