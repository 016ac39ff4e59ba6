"""Images with named boxes, as all formats give them, and the COCO data set of them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolov3.data.images import upright_size
from yolov3.errors import InputError

# Other files in a folder of images are passed over.
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif"})
# Pixels: formats with fractions of the image have about six digits.
DECIMALS = 2


@dataclass(frozen=True)
class LabelledBox:
    """A box of a named class.

    Attributes:
        name: class name.
        box_xywh: left, top, width, height in pixels.
        is_ignored: whether it is neither trained on nor counted in the evaluation, as a crowd of COCO.
    """

    name: str
    box_xywh: tuple[float, float, float, float]
    is_ignored: bool = False


@dataclass(frozen=True)
class LabelledImage:
    """An image with its boxes; `size_wh` is in pixels."""

    path: Path
    size_wh: tuple[int, int]
    boxes: tuple[LabelledBox, ...]


def coco_dataset(images: Iterable[LabelledImage], image_dir: Path, names: Sequence[str] = ()) -> dict[str, Any]:
    """Return images as a COCO data set, by ascending path; their file names are relative to a folder.

    Args:
        images: the images.
        image_dir: folder that all of them are in.
        names: class names in the order of their labels; () for those of the boxes in alphabetical order.
    """
    ordered = sorted(images, key=lambda image: image.path)
    names = names or sorted({box.name for image in ordered for box in image.boxes})
    category_ids = {name: index for index, name in enumerate(names, start=1)}
    annotations: list[dict[str, Any]] = []
    for image_id, image in enumerate(ordered, start=1):
        for box in image.boxes:
            left, top, width, height = (round(value, DECIMALS) for value in box.box_xywh)
            ids = {"id": len(annotations) + 1, "image_id": image_id, "category_id": category_ids[box.name]}
            size = {"bbox": [left, top, width, height], "area": round(width * height, 2 * DECIMALS)}
            annotations.append({**ids, **size, "iscrowd": int(box.is_ignored)})
    return {
        "images": [
            {
                "id": image_id,
                "file_name": image.path.relative_to(image_dir).as_posix(),
                "width": image.size_wh[0],
                "height": image.size_wh[1],
            }
            for image_id, image in enumerate(ordered, start=1)
        ],
        "annotations": annotations,
        "categories": [{"id": category_id, "name": name} for name, category_id in category_ids.items()],
    }


def read_list(file: Path) -> list[str]:
    """Return the lines of a text file that are not empty, without space around them.

    Raises:
        InputError: it cannot be read or is not UTF-8.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"list {file} cannot be read ({error.strerror}): check the path and its permissions") from None
    except UnicodeDecodeError:
        raise InputError(f"list {file} is not UTF-8 text: write it as such") from None
    return [line.strip() for line in lines if line.strip()]


def image_files(folder: Path) -> list[Path]:
    """Return the images in a folder and its subfolders, ascending, without hidden ones.

    Raises:
        InputError: the folder does not exist.
    """
    if not folder.is_dir():
        raise InputError(f"image folder {folder} does not exist: check the path in the config")
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]


class ImageFinder:
    """Finds the image of an annotation file: of the same name at the same place, or else anywhere in the folder."""

    def __init__(self, image_dir: Path) -> None:
        files = image_files(image_dir)
        counts = Counter(path.stem for path in files)
        self.image_dir = image_dir
        self.by_place = {path.relative_to(image_dir).with_suffix(""): path for path in files}
        self.by_stem = {path.stem: path for path in files if counts[path.stem] == 1}

    def image_of(self, place: Path, named: str) -> Path:
        """Return the image of an annotation file; one that does not exist if there is none.

        Args:
            place: path of the annotation file relative to their folder.
            named: file name of the image as the file says.
        """
        stem = Path(named).stem
        found = (
            self.by_place.get(place.with_suffix("")),
            self.by_stem.get(place.stem),
            self.by_place.get(place.parent / stem),
            self.by_stem.get(stem),
        )
        return next((image for image in found if image), self.image_dir / named)


def size_of(path: Path) -> tuple[int, int]:
    """Return width and height of an image as it is shown; (1, 1) if it cannot be read, which the later check tells."""
    try:
        return upright_size(path)
    except InputError:
        return (1, 1)
