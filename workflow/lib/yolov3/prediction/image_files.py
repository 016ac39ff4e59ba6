"""Which files of a folder are images."""

from pathlib import Path

from yolov3.errors import InputError

# Of the formats that OpenCV reads those with 8 or 16 bits.
JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe")
SUFFIXES = (
    *JPEG_SUFFIXES,
    *(".png", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".gif", ".jp2", ".avif"),
    *(".pbm", ".pgm", ".ppm", ".pnm", ".ras", ".sr"),
)


def find_images(place: Path, without: Path | None = None) -> list[Path]:
    """Return the images of a folder and of the folders in it, sorted; or the one file that `place` is.

    Files are told apart by their suffix; hidden ones, whose name or folder begins with a dot, do not count.

    Args:
        place: folder or image file.
        without: folder in `place` that is left out, such as one of results.

    Raises:
        InputError: the place is missing or holds no images.
    """
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise InputError(f"{place} is neither an image nor a folder: check the path")
    left_out = without.resolve() if without else None
    if left_out in (place.resolve(), *place.resolve().parents):
        left_out = None
    found = [
        path
        for path in place.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(place).parts)
        and path.is_file()
        and not (left_out and path.resolve().is_relative_to(left_out))
    ]
    if not found:
        raise InputError(f"folder {place} holds no images ({' '.join(SUFFIXES)}): check the path")
    return sorted(found)
