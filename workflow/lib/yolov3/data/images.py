"""Read images of any format as RGB, and reject broken ones."""

import hashlib
import io
import stat
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from yolov3.errors import InputError

SizeWH = tuple[int, int]

# As in OpenCV.
MAX_PIXELS = 2**30
_EXIF_ORIENTATION = 0x0112
# EXIF orientations that swap width and height.
_SWAPPED_ORIENTATIONS = (5, 6, 7, 8)
_TIFF_BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Pillow's modes of 32-bit numbers.
_WIDE_MODES = ("F", "I")


def read_image_rgb(path: str | Path, size_wh: SizeWH | None = None) -> np.ndarray:
    """Read an image file as uint8 [H, W, 3] RGB.

    Greyscale, palette, CMYK and 16-bit images are converted, an alpha channel is dropped. The EXIF orientation is
    applied unless only the image as stored has the annotated size, `size_wh`, in pixels; None allows any.

    Raises:
        InputError: the file is missing, not an image, cut off, its size is not the annotated one, or its pixels have 32
            bits, whose range is not known.
    """
    return decode_rgb(_read_bytes(path), path, size_wh)


def read_image_digest(path: str | Path, size_wh: SizeWH | None = None) -> str:
    """Check an image by decoding it as `read_image_rgb` does, and return the file's SHA-256 in hexadecimal.

    Raises:
        InputError: as `read_image_rgb`.
    """
    encoded = _read_bytes(path)
    decode_rgb(encoded, path, size_wh)
    return hashlib.sha256(encoded.tobytes()).hexdigest()


def check_image_header(path: str | Path, size_wh: SizeWH) -> int:
    """Check by its header that a file is an image of the annotated (width, height); return its length in bytes.

    Raises:
        InputError: the file is missing, not an image, or its size is not the annotated one.
    """
    (width, height), is_swapped = _read_header(path)
    if size_wh != (width, height) and not (is_swapped and size_wh == (height, width)):
        raise _size_error(path, (width, height), size_wh)
    return Path(path).stat().st_size


def upright_size(path: str | Path) -> SizeWH:
    """Return width and height of an image as it is shown, with its EXIF orientation.

    Raises:
        InputError: the file is missing or not an image.
    """
    (width, height), is_swapped = _read_header(path)
    return (height, width) if is_swapped else (width, height)


def _read_header(path: str | Path) -> tuple[SizeWH, bool]:
    """Return the size of an image as stored, and whether its EXIF orientation exchanges width and height."""
    if not Path(path).is_file():
        # Raises the error of a missing file, of a folder or of a pipe.
        _read_bytes(path)
    try:
        with _opened(path) as image:
            _check_pixels(image, path)
            return image.size, image.getexif().get(_EXIF_ORIENTATION) in _SWAPPED_ORIENTATIONS
    except (OSError, ValueError, SyntaxError) as error:
        # Raises the same error for a missing, empty or unreadable file as a full read.
        encoded = _read_bytes(path)
        raise _not_an_image(path, encoded.tobytes()) from error


def decode_rgb(encoded: np.ndarray, path: str | Path, size_wh: SizeWH | None = None) -> np.ndarray:
    """Decode the bytes (uint8) of an image file to uint8 [H, W, 3] RGB; `path` is used in errors only.

    Raises:
        InputError: as `read_image_rgb`.
    """
    beginning = encoded[:12].tobytes()
    if beginning.startswith(_TIFF_BEGINNINGS):
        stored = _decode_opencv(encoded, cv2.IMREAD_UNCHANGED)
        if stored is not None and stored.dtype.itemsize > 2:
            raise _wide_pixels(path)
    # OpenCV does not apply the orientation of WebP.
    is_webp = beginning[:4] == b"RIFF" and beginning[8:] == b"WEBP"
    image = None if is_webp else _decode_opencv(encoded, cv2.IMREAD_COLOR)
    if image is None:
        # Pillow supports more formats, and distinguishes a truncated image from other files.
        return _decode_pillow(encoded.tobytes(), path, size_wh)
    if size_wh is not None and _size_of(image) != size_wh:
        stored = _decode_opencv(encoded, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if stored is None or _size_of(stored) != size_wh:
            raise _size_error(path, _size_of(image), size_wh)
        image = stored
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def _read_bytes(path: str | Path) -> np.ndarray:
    try:
        # Opening a pipe would wait for its writer.
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise InputError(f"image {path} cannot be read (not a regular file): restore it or correct the annotations")
        encoded = np.fromfile(path, np.uint8)
    except FileNotFoundError:
        raise InputError(f"image {path} does not exist: restore it or correct the annotations") from None
    except OSError as error:
        raise InputError(f"image {path} cannot be read ({error.strerror}): check it and its permissions") from None
    if not encoded.size:
        raise InputError(f"image {path} has 0 bytes: restore it")
    return encoded


def _decode_opencv(encoded: np.ndarray, flags: int) -> np.ndarray | None:
    try:
        return cv2.imdecode(encoded, flags)
    except cv2.error:
        return None


def _decode_pillow(content: bytes, path: str | Path, size_wh: SizeWH | None) -> np.ndarray:
    try:
        with _opened(io.BytesIO(content)) as image:
            _check_pixels(image, path)
            stored = image.convert("RGB")
            oriented = ImageOps.exif_transpose(image).convert("RGB")
    except UnidentifiedImageError:
        raise _not_an_image(path, content) from None
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"image {path} is cut off or damaged ({error}): restore it") from None
    if size_wh is None or oriented.size == size_wh:
        return np.array(oriented)
    if stored.size != size_wh:
        raise _size_error(path, oriented.size, size_wh)
    return np.array(stored)


def _opened(source: str | Path | io.BytesIO) -> Image.Image:
    # Without Pillow's own limit, which is a variable of its module: satellite images are larger.
    Image.MAX_IMAGE_PIXELS = None
    return Image.open(source)


def _check_pixels(image: Image.Image, path: str | Path) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise InputError(
            f"image {path} has {width} x {height} pixels, more than {MAX_PIXELS}: cut it into smaller ones"
        )
    if image.format == "TIFF" and image.mode in _WIDE_MODES:
        raise _wide_pixels(path)


def _wide_pixels(path: str | Path) -> InputError:
    return InputError(f"image {path} has pixels of 32 bits, whose range is not known: convert it to 8 or 16 bits")


def _size_of(image: np.ndarray) -> SizeWH:
    return image.shape[1], image.shape[0]


def _not_an_image(path: str | Path, content: bytes) -> InputError:
    return InputError(f"image {path} is not an image (it begins with {content[:16]!r}): restore it")


def _size_error(path: str | Path, actual_wh: SizeWH, size_wh: SizeWH) -> InputError:
    return InputError(
        f"image {path} is {actual_wh[0]} x {actual_wh[1]} pixels but its annotations say {size_wh[0]} x {size_wh[1]}: "
        "restore the image or correct width and height in the annotations"
    )
