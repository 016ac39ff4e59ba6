"""AIR to OM, the offline model of an Ascend chip, by CANN's atc (SPEC 8)."""

import shutil
import tempfile
from pathlib import Path

from yolov3.errors import InputError
from yolov3.external_tool import find_tool, run_tool
from yolov3.files import complete_file

AIR_FRAMEWORK = 1


def compile_om(air: Path, output: Path, soc_version: str, atc: str = "atc", insert_op_conf: str = "") -> list[str]:
    """Write the offline model of an AIR file.

    Args:
        air: .air file.
        output: .om file; appears when complete.
        soc_version: chip, such as Ascend310.
        atc: path or name of the program.
        insert_op_conf: file of image preprocessing steps (AIPP) to build in; empty for none.

    Returns:
        The last lines that atc printed.

    Raises:
        InputError: a file or the program is missing, or the program fails.
    """
    program = find_tool(atc, "install CANN and source its set_env.sh, or give the path of atc")
    if not air.is_file():
        raise InputError(f"model {air} does not exist: export it as AIR on an Ascend host, or check the path")
    if output.suffix != ".om":
        raise InputError(f"model {output} must have a name that ends in .om: rename it")
    with tempfile.TemporaryDirectory(prefix="atc-") as folder:
        made = Path(folder) / "model"
        command = [
            program,
            "--input_format=NCHW",
            f"--framework={AIR_FRAMEWORK}",
            f"--model={air.absolute()}",
            f"--output={made}",
            f"--soc_version={soc_version}",
        ]
        if insert_op_conf:
            command.append(f"--insert_op_conf={insert_op_conf}")
        lines = run_tool(command, f"check that {air} is a whole AIR file and soc_version is that of the chip")
        if not made.with_suffix(".om").is_file():
            last = lines[-1] if lines else "it printed nothing"
            raise InputError(f"atc wrote no model from {air} ({last}): see the log above")
        with complete_file(output) as temporary:
            shutil.copyfile(made.with_suffix(".om"), temporary)
    return lines
