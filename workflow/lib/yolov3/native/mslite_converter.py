"""MindSpore Lite's converter: native310's mslite_convert, or converter_lite of a vendor archive."""

import shutil
import tempfile
from pathlib import Path

from yolov3.errors import InputError
from yolov3.external_tool import find_tool, run_tool
from yolov3.files import complete_file

FRAMEWORKS = {".onnx": "ONNX", ".mindir": "MINDIR"}
SAVE_TYPES = {".ms": "MINDIR_LITE", ".mindir": "MINDIR"}


def convert(
    converter: str, model: Path, output: Path, config_text: str = "", more_arguments: tuple[str, ...] = ()
) -> list[str]:
    """Convert a model for MindSpore Lite.

    Args:
        converter: path or name of the program.
        model: .onnx or .mindir file.
        output: .ms (runs on CPUs, input NHWC) or .mindir file (input NCHW); appears when complete.
        config_text: content of the converter's config file; empty for none.
        more_arguments: further arguments, such as "--optimize=ascend_oriented".

    Returns:
        The last lines that the converter printed.

    Raises:
        InputError: a file or the program is missing, or the program fails.
    """
    program = find_tool(
        converter, "give --converter the mslite_convert that the runtime stage builds, or a vendor's converter_lite"
    )
    if not model.is_file():
        raise InputError(f"model {model} does not exist: run the export stage first, or check the path")
    for path, suffixes in ((model, FRAMEWORKS), (output, SAVE_TYPES)):
        if path.suffix not in suffixes:
            raise InputError(f"model {path} must have a name that ends in {' or '.join(suffixes)}: rename it")
    # The converter knows paths without spaces best, and writes its output for the owner's eyes only.
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
        if config_text:
            config = work / "config.ini"
            config.write_text(config_text, encoding="utf-8")
            command.append(f"--configFile={config}")
        lines = run_tool(command, f"check that {model} is a whole file of a supported model, see the log above")
        made = work / f"converted{output.suffix}"
        if not made.is_file():
            last = lines[-1] if lines else "it printed nothing"
            raise InputError(f"{Path(program).name} wrote no model from {model} ({last}): see the log above")
        with complete_file(output) as temporary:
            shutil.copyfile(made, temporary)
    return lines
