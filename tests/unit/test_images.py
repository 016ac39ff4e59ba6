import hashlib
import os

import cv2
import numpy as np
import pytest
from PIL import Image

from yolov3.data.images import check_image_header, read_image_digest, read_image_rgb
from yolov3.errors import InputError

# A picture whose four quarters differ, so that a turn, a flip or exchanged channels show.
QUARTERS = {
    "top left": (250, 0, 0),
    "top right": (0, 250, 0),
    "bottom left": (0, 0, 250),
    "bottom right": (250, 250, 0),
}


def picture(width=48, height=32):
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = QUARTERS["top left"]
    image[: height // 2, width // 2 :] = QUARTERS["top right"]
    image[height // 2 :, : width // 2] = QUARTERS["bottom left"]
    image[height // 2 :, width // 2 :] = QUARTERS["bottom right"]
    return image


def corners(image):
    height, width = image.shape[:2]
    rows, columns = (height // 4, 3 * height // 4), (width // 4, 3 * width // 4)
    return [tuple(int(value) for value in image[row, column]) for row in rows for column in columns]


def near(found, expected, tolerance=12):
    return np.abs(np.array(found) - np.array(expected)).max() <= tolerance


@pytest.mark.parametrize("name", ["plain.jpg", "plain.png", "plain.bmp", "plain.webp", "mit Räumen ü/画像 1.jpg"])
def test_colours_come_in_rgb_order(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(picture()).save(path, quality=95)
    image = read_image_rgb(path, (48, 32))
    assert image.dtype == np.uint8 and image.shape == (32, 48, 3)
    assert near(corners(image), list(QUARTERS.values()), 30)


def test_cmyk_jpeg(tmp_path):
    path = tmp_path / "cmyk.jpg"
    Image.fromarray(picture()).convert("CMYK").save(path, quality=95)
    assert near(corners(read_image_rgb(path)), list(QUARTERS.values()), 30)


def test_palette_png_and_gif(tmp_path):
    for name in ("palette.png", "palette.gif"):
        Image.fromarray(picture()).quantize(8).save(tmp_path / name)
        assert near(corners(read_image_rgb(tmp_path / name)), list(QUARTERS.values()))


def test_greyscale_of_8_and_16_bit(tmp_path):
    Image.fromarray(np.full((10, 20), 77, np.uint8)).save(tmp_path / "grey.jpg")
    cv2.imwrite(str(tmp_path / "deep.png"), np.full((10, 20), 77 * 256 + 5, np.uint16))
    for name in ("grey.jpg", "deep.png"):
        image = read_image_rgb(tmp_path / name)
        assert image.shape == (10, 20, 3)
        assert near(image, 77, 1)


def test_alpha_is_dropped(tmp_path):
    alpha = np.full((32, 48, 1), 128, np.uint8)
    Image.fromarray(np.concatenate([picture(), alpha], axis=2)).save(tmp_path / "alpha.png")
    assert np.array_equal(read_image_rgb(tmp_path / "alpha.png"), picture())


def save_with_orientation(path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(picture()).save(path, quality=95, exif=exif)


@pytest.mark.parametrize("name", ["turned.jpg", "turned.webp", "turned.png", "turned.tif"])
def test_exif_orientation_is_applied(tmp_path, name):
    # Orientation 6: the stored picture is shown after a quarter turn clockwise, its bottom left at the top left.
    path = tmp_path / name
    save_with_orientation(path, 6)
    turned = [QUARTERS[name] for name in ("bottom left", "top left", "bottom right", "top right")]
    for size_wh in (None, (32, 48)):
        image = read_image_rgb(path, size_wh)
        assert image.shape == (48, 32, 3)
        assert near(corners(image), turned, 30)
    assert check_image_header(path, (32, 48)) == path.stat().st_size


@pytest.mark.parametrize("name", ["turned.jpg", "turned.webp", "turned.png"])
def test_exif_orientation_is_ignored_where_the_annotations_are_of_the_stored_picture(tmp_path, name):
    path = tmp_path / name
    save_with_orientation(path, 6)
    image = read_image_rgb(path, (48, 32))
    assert image.shape == (32, 48, 3)
    assert near(corners(image), list(QUARTERS.values()), 30)
    check_image_header(path, (48, 32))


@pytest.mark.parametrize(("dtype", "channels"), [(np.float32, 1), (np.float32, 3), (np.float64, 3), (np.int32, 1)])
def test_tiffs_whose_range_is_not_known_are_refused(tmp_path, dtype, channels):
    path = tmp_path / "elevation.tif"
    values = np.random.default_rng(0).uniform(0, 300, (20, 40, channels)).astype(dtype)
    if channels == 1:
        Image.fromarray(values[..., 0]).save(path)
        with pytest.raises(
            InputError, match=r"elevation\.tif has pixels of 32 bits, whose range is not known: convert it"
        ):
            check_image_header(path, (40, 20))
    else:
        cv2.imwrite(str(path), values)
    with pytest.raises(InputError, match=r"elevation\.tif has pixels of 32 bits, whose range is not known: convert it"):
        read_image_rgb(path)


def test_tiffs_of_16_bits_are_read(tmp_path):
    path = tmp_path / "deep.tif"
    cv2.imwrite(str(path), picture()[..., ::-1].astype(np.uint16) * 256)
    assert near(corners(read_image_rgb(path)), list(QUARTERS.values()), 1)


def test_satellite_images_are_larger_than_other_programs_allow(tmp_path):
    path = tmp_path / "large.png"
    Image.new("1", (20_000, 10_000)).save(path, compress_level=1)
    assert check_image_header(path, (20_000, 10_000)) == path.stat().st_size
    Image.new("1", (2**16, 2**14 + 1)).save(path, compress_level=1)
    with pytest.raises(InputError, match=r"large.png has 65536 x 16385 pixels, more than 1073741824: cut it"):
        check_image_header(path, (2**16, 2**14 + 1))


def test_another_size_is_refused(tmp_path):
    path = tmp_path / "plain.jpg"
    Image.fromarray(picture()).save(path)
    for read in (read_image_rgb, read_image_digest, check_image_header):
        with pytest.raises(InputError, match=r"48 x 32 pixels but its annotations say 32 x 48"):
            read(path, (32, 48))


def test_what_is_no_image_is_told(tmp_path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("<html>not found</html>")
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    for read in (read_image_rgb, lambda path: check_image_header(path, (1, 1))):
        for name, sentence in (
            ("missing.jpg", "does not exist"),
            ("empty.jpg", "0 bytes"),
            ("text.jpg", "not an image.*<html>"),
            ("folder.jpg", "cannot be read"),
            ("pipe.jpg", "cannot be read"),
        ):
            with pytest.raises(InputError, match=sentence):
                read(tmp_path / name)


@pytest.mark.parametrize("name", ["noise.jpg", "noise.png", "noise.bmp", "noise.webp", "noise.gif"])
def test_a_file_cut_off_is_noticed(tmp_path, name):
    path = tmp_path / name
    noise = np.random.default_rng(0).integers(0, 256, size=(80, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    for share in (0.3, 0.6, 0.95):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(InputError, match=r"noise\.\w+ is (cut off or damaged|not an image)"):
            read_image_rgb(path)


def test_progressive_jpeg_cut_off_is_noticed_despite_a_thumbnail_with_an_end_marker(tmp_path):
    path = tmp_path / "progressive.jpg"
    noise = np.random.default_rng(0).integers(0, 256, size=(80, 90, 3), dtype=np.uint8)
    # As a camera stores it: the metadata holds a whole small JPEG file.
    small = cv2.imencode(".jpg", noise[:16, :16])[1].tobytes()
    Image.fromarray(noise).save(path, progressive=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0" + small)
    assert read_image_rgb(path).shape == (80, 90, 3)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match="cut off"):
        read_image_rgb(path)


def test_bytes_after_the_end_of_a_jpeg_do_not_matter(tmp_path):
    path = tmp_path / "tail.jpg"
    Image.fromarray(picture()).save(path)
    path.write_bytes(path.read_bytes() + b"\0" * 100)
    assert read_image_rgb(path).shape == (32, 48, 3)


def test_photograph_cut_off_is_noticed_down_to_the_last_rows(tmp_path):
    path = tmp_path / "smooth.jpg"
    rows, columns = np.mgrid[0:300, 0:400]
    smooth = np.stack([rows // 2, columns // 2, (rows + columns) // 4], axis=2).astype(np.uint8)
    Image.fromarray(smooth).save(path)
    content = path.read_bytes()
    for lost in (len(content) // 2, 300, 60):
        path.write_bytes(content[:-lost])
        with pytest.raises(InputError, match="cut off"):
            read_image_rgb(path)


def test_digest_is_of_the_content(tmp_path):
    path = tmp_path / "plain.jpg"
    Image.fromarray(picture()).save(path)
    assert read_image_digest(path, (48, 32)) == hashlib.sha256(path.read_bytes()).hexdigest()
