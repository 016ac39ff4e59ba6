"""Bad data: each case ends in an error of one sentence, or in the accuracy of the clean data and a message about it.

A case is a function that spoils the data, with what is expected of it: `refused` is a pattern of the sentence that ends
the run; `says` one of a warning. Without `refused`, the AP of detections near the boxes must be that which pycocotools
finds on the clean data.
"""

import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image
from zoo import Data, ap_of_ours, ap_of_pycocotools, clean_dataset, detections_near, run_on


@dataclass(frozen=True)
class Case:
    name: str
    spoil: Callable[[Data], None]
    refused: str = ""
    says: str = ""
    # Ids of the results, where the spoilt data have others than the clean ones.
    image_id: Callable[[int], int] = int
    category_id: Callable[[int], int] = int


CASES: list[Case] = []


def case(**expected):
    def register(spoil):
        CASES.append(Case(spoil.__name__.replace("_", " ").strip(), spoil, **expected))
        return spoil

    return register


def both(data):
    return (data.train, data.val)


def change(data, section, index, **fields):
    for dataset in both(data):
        dataset[section][index].update(fields)


def renumber(data, **of):
    """Give images or categories other ids, in both splits, by functions of the ids."""
    for dataset in both(data):
        for name, key in (("images", "image_id"), ("categories", "category_id")):
            if name in of:
                for entry in dataset[name]:
                    entry["id"] = of[name](entry["id"])
                for row in dataset["annotations"]:
                    row[key] = of[name](row[key])


@case()
def clean_data(data):
    pass


# Ids.


@case(image_id=lambda number: 20230817142355120 + number)
def image_ids_above_2_to_53(data):
    renumber(data, images=lambda number: 20230817142355120 + number)


@case(image_id=lambda number: 2**64 - number)
def image_ids_that_are_hashes(data):
    renumber(data, images=lambda number: 2**64 - number)


@case(image_id=lambda number: -number)
def negative_image_ids(data):
    renumber(data, images=lambda number: -number)


@case(category_id=lambda number: 2**53 + number)
def category_ids_above_2_to_53(data):
    renumber(data, categories=lambda number: 2**53 + number)


@case(refused="whole numbers of 64 bits")
def image_ids_of_more_than_64_bits(data):
    renumber(data, images=lambda number: 2**64 + number)


@case(refused="with id '1'")
def image_ids_that_are_text(data):
    change(data, "images", 0, id="1")


@case()
def ids_that_are_whole_floats(data):
    for dataset in both(data):
        for row in dataset["annotations"]:
            row |= {"id": float(row["id"]), "image_id": float(row["image_id"])}
        dataset["categories"][0]["id"] = 3.0


@case()
def annotations_without_ids(data):
    for dataset in both(data):
        for row in dataset["annotations"]:
            del row["id"]


@case(refused="annotation id 1 twice")
def an_annotation_id_twice(data):
    change(data, "annotations", 1, id=1)


@case(refused="image id 1 twice")
def an_image_id_twice(data):
    change(data, "images", 1, id=1)


@case()
def an_annotation_id_0(data):
    change(data, "annotations", 0, id=0)


# Categories.


@case(
    says="2 categories of .*val.json have other ids than in the training annotations, such as 'cat' .3 there, 4 here."
)
def all_category_ids_shifted_in_val(data):
    for entry in data.val["categories"]:
        entry["id"] += 1
    for row in data.val["annotations"]:
        row["category_id"] += 1


@case(says="'dog' \\(7 there, 5 here\\)")
def one_category_of_val_with_another_id(data):
    data.val["categories"][1]["id"] = 5
    for row in data.val["annotations"]:
        row["category_id"] = {3: 3, 7: 5}[row["category_id"]]


@case(says="'dog' .7 there, 3 here.")
def categories_of_val_exchanged(data):
    for entry in data.val["categories"]:
        entry["id"] = 10 - entry["id"]
    for row in data.val["annotations"]:
        row["category_id"] = 10 - row["category_id"]


@case(refused="calls category 3 'kitten' but the training annotations call it 'cat'")
def a_category_renamed_in_val(data):
    data.val["categories"][0]["name"] = "kitten"


@case(says="category 9 has the name of another one, 'cat': it is called 'cat \\(2\\)'")
def two_categories_of_one_name(data):
    for dataset in both(data):
        dataset["categories"].append({"id": 9, "name": "cat"})


@case(says="1 annotations are of unknown categories: dropped")
def an_annotation_of_no_category(data):
    for dataset in both(data):
        dataset["annotations"].append({**dataset["annotations"][0], "id": 99, "category_id": 1})


@case(refused="no image in .* has a usable box: check the categories and boxes")
def no_annotation_of_a_known_category(data):
    for row in data.val["annotations"]:
        row["category_id"] = 1


@case(refused="give it an integer id and a name")
def half_a_surrogate_in_a_category_name(data):
    change(data, "categories", 0, name="half \ud83d")


@case(refused="has no categories")
def no_categories(data):
    for dataset in both(data):
        dataset["categories"] = []


@case()
def names_of_any_script(data):
    change(data, "categories", 0, name="猫 <b> {v1} 100 %s \\ \"'")


# Boxes.


@case(refused="lie within 0..1, as fractions of their image")
def boxes_as_fractions(data):
    for dataset in both(data):
        for row in dataset["annotations"]:
            row["bbox"] = [value / 200 for value in row["bbox"]]


@case(says="1 boxes are missing, NaN or infinite: dropped")
def a_box_with_a_number_of_400_digits(data):
    for dataset in both(data):
        dataset["annotations"].append({**dataset["annotations"][0], "id": 99, "bbox": [10**400, 1, 2, 3]})


@case(says="1 boxes are missing, NaN or infinite: dropped")
def a_box_that_is_not_a_number(data):
    for dataset in both(data):
        dataset["annotations"].append({**dataset["annotations"][0], "id": 99, "bbox": [float("nan"), 1, 2, 3]})


@case(says="1 boxes are missing, NaN or infinite: dropped")
def a_box_of_five_numbers(data):
    for dataset in both(data):
        dataset["annotations"].append({**dataset["annotations"][0], "id": 99, "bbox": [1, 1, 2, 3, 4]})


@case(says="1 boxes are missing, NaN or infinite: dropped")
def no_box(data):
    for dataset in both(data):
        dataset["annotations"].append({**dataset["annotations"][0], "id": 99, "bbox": None})


@case(says="1 boxes have no width or height in their image: dropped")
def a_box_of_negative_width(data):
    for dataset in both(data):
        dataset["annotations"].append({**dataset["annotations"][0], "id": 99, "bbox": [20, 20, -5, 5]})


@case(says="1 boxes have no width or height in their image: dropped")
def a_box_outside(data):
    for dataset in both(data):
        dataset["annotations"].append({**dataset["annotations"][0], "id": 99, "bbox": [500, 1, 5, 5]})


@case()
def numbers_as_text(data):
    for dataset in both(data):
        for row in dataset["annotations"]:
            row["bbox"] = [str(value) for value in row["bbox"]]


@case(says="16 boxes have an area that no image has: their width times height is used")
def negative_areas(data):
    for dataset in both(data):
        for row in dataset["annotations"]:
            row["area"] = -1


@case(says="16 boxes have an area that no image has")
def areas_that_are_not_numbers(data):
    for dataset in both(data):
        for row in dataset["annotations"]:
            row["area"] = float("nan")


@case(says="16 boxes have an area that no image has")
def areas_of_400_digits(data):
    for dataset in both(data):
        for row in dataset["annotations"]:
            row["area"] = 10**400


@case()
def no_areas(data):
    for dataset in both(data):
        for row in dataset["annotations"]:
            del row["area"]


@case()
def crowds_as_text(data):
    for dataset in both(data):
        for row in dataset["annotations"]:
            row["iscrowd"] = str(row["iscrowd"])


@case()
def crowds_as_booleans(data):
    for dataset in both(data):
        for row in dataset["annotations"]:
            row["iscrowd"] = bool(row["iscrowd"])


@case(refused="iscrowd 'yes': give 0 or 1")
def crowds_in_words(data):
    change(data, "annotations", 0, iscrowd="yes")


@case(says="train: 1 boxes are there twice, with the same category \\(annotation ids 99")
def a_training_box_twice(data):
    data.train["annotations"].append({**data.train["annotations"][0], "id": 99})


@case(says="annotations are of images that are unknown or left out: dropped")
def an_annotation_of_no_image(data):
    for dataset in both(data):
        dataset["annotations"].append({**dataset["annotations"][0], "id": 99, "image_id": 77})


@case(says="val.json has no annotations", refused="")
def images_without_annotations_in_val(data):
    data.val["annotations"] = []


# Images.


@case(refused="has file '1.png' as images 1 and 2: give it one id, with all its boxes")
def a_file_under_two_ids(data):
    change(data, "images", 1, file_name="1.png", width=60, height=50)


@case(refused="has file '1.png' as images")
def a_file_under_two_ids_in_other_words(data):
    change(data, "images", 1, file_name="./1.png", width=60, height=50)


@case(refused="with file_name 1: give the name of a file, in quotes")
def a_number_as_file_name(data):
    change(data, "images", 0, file_name=1)


@case(refused=r"with file_name '1\\x00.png'")
def nul_in_a_file_name(data):
    change(data, "images", 0, file_name="1\0.png")


@case(refused="image 1 without file_name")
def no_file_name(data):
    change(data, "images", 0, file_name=None)


@case(refused="sizes of 1 to")
def a_width_of_0(data):
    change(data, "images", 0, width=0)


@case()
def a_width_that_is_a_whole_float(data):
    change(data, "images", 0, width=60.0)


@case(refused="width 60.5")
def a_width_that_is_a_fraction(data):
    change(data, "images", 0, width=60.5)


@case(refused="60 x 50 pixels but its annotations say 50 x 60")
def width_and_height_exchanged(data):
    change(data, "images", 0, width=50, height=60)


@case(refused="1 of 4 train images in .* are missing or unreadable.*does not exist")
def a_missing_image(data):
    change(data, "images", 0, file_name="none.png")


@case(refused="it begins with b'<html>")
def a_web_page_as_image(data):
    data.files["1.png"] = b"<html>not found</html>"


@case(refused="1.png has 0 bytes")
def an_empty_image(data):
    data.files["1.png"] = b""


def encoded(kind, size_wh=(60, 50), mode="RGB", **options):
    """An image file of noise."""
    noise = np.random.default_rng(7).integers(0, 256, (size_wh[1], size_wh[0], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


@case()
def a_grey_image(data):
    data.files["1.png"] = encoded("PNG", mode="L")


@case()
def an_image_with_a_palette(data):
    data.files["1.png"] = encoded("PNG", mode="P")


@case()
def an_image_with_transparency(data):
    data.files["1.png"] = encoded("PNG", mode="RGBA")


@case()
def an_image_for_printing(data):
    data.files["1.png"] = encoded("JPEG", mode="CMYK")


@case()
def an_image_of_another_format_than_its_name_says(data):
    data.files["1.png"] = encoded("WEBP")


@case()
def an_image_that_is_shown_turned(data):
    data.files["1.png"] = encoded("JPEG", (50, 60), exif=turned())


@case()
def a_webp_image_that_is_shown_turned(data):
    data.files["1.png"] = encoded("WEBP", (50, 60), exif=turned())


@case()
def an_image_annotated_as_it_is_stored(data):
    data.files["1.png"] = encoded("JPEG", (60, 50), exif=turned())


@case(refused="1.png is cut off or damaged")
def half_an_image(data):
    content = encoded("PNG")
    data.files["1.png"] = content[: len(content) // 2]


@case(refused="1.png has pixels of 32 bits")
def an_elevation_model(data):
    data.files["1.png"] = encoded("TIFF", mode="F")


@case()
def images_in_subfolders(data):
    change(data, "images", 0, file_name="deep/er/1.png")
    data.files["deep/er/1.png"] = encoded("PNG")


@case(says="1 of 5 images left out as missing or unreadable")
def a_bad_image_that_may_be_left_out(data):
    for dataset in both(data):
        dataset["images"].append({"id": 50, "file_name": "none.png", "width": 5, "height": 5})
    data.options += ["--skip_bad_images", "true"]


@case(says="1 boxes extend beyond their image: clipped")
def a_training_box_over_the_edge(data):
    data.train["annotations"].append({**data.train["annotations"][0], "id": 99, "bbox": [50, 40, 30, 30]})


@case(image_id=lambda number: number - 1, category_id=lambda number: number - 3)
def ids_from_0(data):
    renumber(data, images=lambda number: number - 1, categories=lambda number: number - 3)


@case()
def a_root_category_without_boxes(data):
    for dataset in both(data):
        dataset["categories"].insert(0, {"id": 0, "name": "animals", "supercategory": "none"})


@case(says="val: 1 annotations are of unknown categories: dropped")
def a_category_that_only_val_has(data):
    data.val["categories"].append({"id": 9, "name": "cow"})
    data.val["annotations"].append({**data.val["annotations"][0], "id": 99, "category_id": 9})


@case()
def entries_in_any_order(data):
    for dataset in both(data):
        for name in ("images", "categories", "annotations"):
            dataset[name].reverse()


@case()
def crowds_that_are_null(data):
    for dataset in both(data):
        for row in dataset["annotations"]:
            row["iscrowd"] = row["iscrowd"] or None


@case()
def names_of_files_with_all_that_file_systems_allow(data):
    name = "a b'c\"d$(e);%25[f]{g}#ü.png"
    change(data, "images", 0, file_name=name)
    data.files[name] = encoded("PNG")


@case()
def further_fields(data):
    for dataset in both(data):
        dataset |= {"info": None, "licenses": [], "videos": [{"id": 1}]}
        for row in dataset["annotations"]:
            row |= {"segmentation": [[1, 2, 3]], "score": "high", "attributes": {"occluded": True}}


@case(refused="with image_id None")
def an_annotation_without_image(data):
    for dataset in both(data):
        del dataset["annotations"][0]["image_id"]


# Files.


@case()
def a_byte_order_mark(data):
    data.texts = {split: b"\xef\xbb\xbf" + json.dumps(getattr(data, split)).encode() for split in ("train", "val")}


@case(refused="is not UTF-8 text")
def text_of_windows(data):
    data.texts["train"] = '{"images": "größe"}'.encode("cp1252")


@case(refused="is not UTF-8 text")
def text_of_16_bits(data):
    data.texts["train"] = "{}".encode("utf-16")


@case(refused="is not valid JSON at line 1.*it may be truncated")
def a_file_cut_off(data):
    data.texts["train"] = json.dumps(data.train).encode()[:500]


@case(refused="is nested too deeply")
def nesting_of_100_000(data):
    data.texts["train"] = b"[" * 100_000


@case(refused="is not valid JSON .*correct it")
def a_number_of_5_000_digits(data):
    data.texts["train"] = b'{"images": ' + b"9" * 5000 + b"}"


@case(refused="has no list images: give a COCO instances file")
def a_list(data):
    data.texts["train"] = b"[]"


@case(refused="has no images: give a COCO instances file")
def another_dictionary(data):
    data.texts["train"] = b'{"images": []}'


@case(refused="not an object")
def a_number_among_the_images(data):
    data.train["images"].append(5)


@pytest.mark.parametrize("one", CASES, ids=[one.name for one in CASES])
def test_case(one, tmp_path, capfd):
    data = Data()
    one.spoil(data)
    code, manifest = run_on(data, tmp_path / "größe {v1}")
    said = capfd.readouterr().err
    if one.refused:
        assert code == 1
        assert re.search(one.refused, said), said
        return
    assert code == 0, said
    assert re.search(one.says, said), said
    clean = clean_dataset()
    results = detections_near(clean)
    expected = ap_of_pycocotools(clean, results)
    assert 0.1 < expected < 0.9
    if not data.val["annotations"]:
        expected = -1
    for result in results:
        result["image_id"] = one.image_id(result["image_id"])
        result["category_id"] = one.category_id(result["category_id"])
    assert ap_of_ours(manifest, results, tmp_path) == pytest.approx(expected, abs=1e-12)
