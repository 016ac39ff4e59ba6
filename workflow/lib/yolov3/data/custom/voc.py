"""Annotations of Pascal VOC: an XML file per image (Everingham et al., IJCV 2010).

Also written by LabelImg, CVAT, Roboflow and others. Corners are used as they are, as these tools mean them.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path

from yolov3.data.custom.labelled import ImageFinder, LabelledBox, LabelledImage, size_of
from yolov3.errors import InputError

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_voc(annotation_files: Iterable[Path], annotation_dir: Path, image_dir: Path) -> list[LabelledImage]:
    """Read XML files; objects marked as difficult are ignored in training and evaluation, as in VOC.

    The image of a file is that of the same name and place, or else the one that it names.

    Raises:
        InputError: a file is missing, not XML, or an object has no name or no box.
    """
    images = ImageFinder(image_dir)
    return [_read_file(path, path.relative_to(annotation_dir), images) for path in annotation_files]


def _read_file(path: Path, place: Path, images: ImageFinder) -> LabelledImage:
    try:
        root = ElementTree.parse(path).getroot()
    except FileNotFoundError:
        raise InputError(f"VOC file {path} does not exist: restore it or remove its name from the list") from None
    except OSError as error:
        raise InputError(f"VOC file {path} cannot be read ({error.strerror}): check its permissions") from None
    except (ElementTree.ParseError, ValueError) as error:
        raise InputError(f"VOC file {path} is not valid XML ({error}): write it again") from None
    if root.tag != "annotation":
        raise InputError(f"VOC file {path} has the element {root.tag} instead of annotation: it is of another format")
    image = images.image_of(place, Path(root.findtext("filename", "").strip()).name or path.stem)
    boxes = tuple(_box_of(element, number, path) for number, element in enumerate(root.iter("object"), start=1))
    return LabelledImage(image, _size_of(root) or size_of(image), boxes)


def _size_of(root: ElementTree.Element) -> tuple[int, int] | None:
    """Return the annotated size; some tools write 0 or nothing."""
    try:
        width, height = (int(float(root.findtext(f"size/{side}", ""))) for side in ("width", "height"))
    except (ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None


def _box_of(element: ElementTree.Element, number: int, path: Path) -> LabelledBox:
    name = element.findtext("name", "").strip()
    if not name:
        raise InputError(f"VOC file {path} has object {number} without a name: add it")
    try:
        left, top, right, bottom = (float(element.findtext(f"bndbox/{corner}", "")) for corner in CORNERS)
    except ValueError:
        raise InputError(
            f"VOC file {path} has object {number} ({name}) without the numbers {', '.join(CORNERS)}: correct it"
        ) from None
    is_ignored = element.findtext("difficult", "0").strip() == "1"
    return LabelledBox(name, (left, top, right - left, bottom - top), is_ignored)
