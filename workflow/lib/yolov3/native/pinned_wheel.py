"""Files of a pinned wheel from PyPI, without installing it."""

import logging
import shutil
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from yolov3.errors import InputError
from yolov3.external_tool import ToolError, run_tool
from yolov3.files import sha256_of


@dataclass(frozen=True)
class PinnedWheel:
    """A wheel, whose content is checked.

    Attributes:
        title: what it is, for messages.
        package, version: name and release on PyPI.
        python, platform_tag: Python version and platform by which pip selects the file.
        sha256: digest of the file, in hexadecimal.
    """

    title: str
    package: str
    version: str
    python: str
    platform_tag: str
    sha256: str

    def provide(self, unpacked: Path, remedy: str) -> None:
        """Download the wheel and unpack it to a folder, unless that is there.

        Args:
            unpacked: the folder.
            remedy: what else the user can do if there is no download; it ends messages.

        Raises:
            InputError: it cannot be downloaded, or the downloaded file is not the pinned one.
        """
        if unpacked.is_dir():
            return
        unpacked.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".wheel.", dir=unpacked.parent) as name:
            temporary = Path(name)
            with zipfile.ZipFile(self._download(temporary / "download", remedy)) as archive:
                archive.extractall(temporary / "unpacked")
            try:
                (temporary / "unpacked").replace(unpacked)
            except OSError:
                # Another process may have unpacked the same wheel in the meantime.
                if not unpacked.is_dir():
                    raise

    def _download(self, folder: Path, remedy: str) -> Path:
        command = [sys.executable, "-m", "pip", "download", f"{self.package}=={self.version}", "--no-deps"]
        command += ["--dest", str(folder), "--only-binary=:all:", "--progress-bar", "off"]
        command += ["--python-version", self.python, "--platform", self.platform_tag]
        logging.info("downloading %s %s for %s", self.title, self.version, self.platform_tag)
        try:
            run_tool(command)
        except ToolError as error:
            reasons = [line.removeprefix("ERROR: ") for line in error.lines if line.startswith("ERROR")]
            raise InputError(
                f"{self.title} {self.version} cannot be downloaded ({reasons[-1] if reasons else error}): connect this "
                f"host to PyPI, or {remedy}"
            ) from None
        files = sorted(folder.glob("*.whl"))
        digest = sha256_of(files[0])
        if digest != self.sha256:
            shutil.rmtree(folder)
            raise InputError(
                f"downloaded {files[0].name} has SHA-256 {digest}, not the pinned {self.sha256}: check the package "
                f"index that pip uses, or {remedy}"
            )
        return files[0]
