import dataclasses
import hashlib
import json
import shutil
import stat
import zipfile

import cv2
import numpy as np
import pytest
from annotated_images import small_dataset

from yolov3.data import coco
from yolov3.data.coco import ARCHIVES, Archive, CocoSettings, bytes_needed, prepare_coco, unpack
from yolov3.data.manifest import SPLITS
from yolov3.errors import InputError

MEMBERS = {archive.folder: archive.members for archive in ARCHIVES["coco2014"]}


def write_zip(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def archive_of(path, mirror, folder):
    content = (mirror / path).read_bytes()
    return Archive(path, len(content), hashlib.sha256(content).hexdigest(), folder, MEMBERS[folder])


@pytest.fixture
def mirror(tmp_path):
    """A mirror of tiny archives of the official layout, in a folder with a space and an umlaut."""
    mirror = tmp_path / "der größte Spiegel"
    images = {}
    for image in small_dataset()["images"]:
        pixels = np.full((image["height"], image["width"], 3), 90, np.uint8)
        images[image["file_name"]] = cv2.imencode(".jpg", pixels)[1].tobytes()
    annotations = {"annotations/captions_train2014.json": "{}"}
    for split in SPLITS:
        named = {f"{split}2014/{name}": content for name, content in images.items()}
        write_zip(mirror / "zips" / f"{split}2014.zip", {f"{split}2014/": "", **named})
        annotations[f"annotations/instances_{split}2014.json"] = json.dumps(small_dataset())
    write_zip(mirror / "annotations/annotations_trainval2014.zip", annotations)
    return mirror


@pytest.fixture
def archives(mirror):
    return tuple(archive_of(archive.path, mirror, archive.folder) for archive in ARCHIVES["coco2014"])


def prepare(tmp_path, mirror, archives, keep=False):
    return prepare_coco("coco2014", tmp_path / "data", CocoSettings(mirror.as_uri() + "/", keep), archives=archives)


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


VISIBLE = [
    "annotations/train.json",
    "annotations/val.json",
    "train/a.jpg",
    "train/b.jpg",
    "val/a.jpg",
    "val/b.jpg",
]


def test_official_archives():
    facts = {archive.path: f"{archive.size} {archive.sha256}" for name in ARCHIVES for archive in ARCHIVES[name]}
    assert facts == {
        "zips/train2014.zip": "13510573713 ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775",
        "zips/val2014.zip": "6645013297 fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0",
        "annotations/annotations_trainval2014.zip": (
            "252872794 031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009"
        ),
        "zips/train2017.zip": "19336861798 69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
        "zips/val2017.zip": "815585330 4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
        "annotations/annotations_trainval2017.zip": (
            "252907541 113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268"
        ),
    }


def test_the_archives_of_2017_have_the_layout_of_those_of_2014(tmp_path, mirror):
    """The same tiny archives under the names of the other year."""
    renamed = tmp_path / "2017"
    for archive in ARCHIVES["coco2014"]:
        with zipfile.ZipFile(mirror / archive.path) as opened:
            members = {info.filename.replace("2014", "2017"): opened.read(info) for info in opened.infolist()}
        write_zip(renamed / archive.path.replace("2014", "2017"), members)
    archives = []
    for archive in ARCHIVES["coco2017"]:
        content = (renamed / archive.path).read_bytes()
        archives.append(dataclasses.replace(archive, size=len(content), sha256=hashlib.sha256(content).hexdigest()))
    settings = CocoSettings(renamed.as_uri(), False)
    places = prepare_coco("coco2017", tmp_path / "data", settings, archives=tuple(archives))
    folder = tmp_path / "data" / "coco2017"
    assert [name for name in files_below(folder) if not name.endswith(coco.MARKER)] == VISIBLE
    assert places["val"] == (folder / "val", folder / "annotations" / "val.json")


def test_a_second_address_is_tried(tmp_path, mirror, archives, monkeypatch, caplog):
    monkeypatch.setattr(coco, "ADDRESSES", ((tmp_path / "gone").as_uri(), mirror.as_uri()))
    places = prepare_coco("coco2014", tmp_path / "data", CocoSettings(coco.ADDRESSES[0], False), archives=archives)
    assert places["train"][1].is_file()
    assert "train2014.zip cannot be read" in caplog.text and "; trying file://" in caplog.text
    # A mirror of one's own is the only one.
    with pytest.raises(InputError, match="cannot be read"):
        prepare_coco(
            "coco2014", tmp_path / "other", CocoSettings((tmp_path / "none").as_uri(), False), archives=archives
        )


def test_layout(tmp_path, mirror, archives):
    places = prepare(tmp_path, mirror, archives)
    folder = tmp_path / "data" / "coco2014"
    assert [name for name in files_below(folder) if not name.endswith(coco.MARKER)] == VISIBLE
    assert places["val"] == (folder / "val", folder / "annotations" / "val.json")
    assert json.loads(places["train"][1].read_text()) == small_dataset()
    with zipfile.ZipFile(mirror / "zips/val2014.zip") as archive:
        assert (folder / "val" / "a.jpg").read_bytes() == archive.read("val2014/a.jpg")


def test_archives_are_kept_on_request(tmp_path, mirror, archives):
    prepare(tmp_path, mirror, archives, keep=True)
    kept = files_below(tmp_path / "data" / "coco2014" / "archives")
    assert kept == ["annotations_trainval2014.zip", "train2014.zip", "val2014.zip"]


def test_complete_data_is_not_fetched_again_and_a_damaged_folder_is(tmp_path, mirror, archives):
    prepare(tmp_path, mirror, archives)
    (mirror / "zips/train2014.zip").rename(mirror / "zips/gone.zip")
    prepare(tmp_path, mirror, archives)
    (tmp_path / "data/coco2014/train/a.jpg").unlink()
    with pytest.raises(InputError, match=r"train2014\.zip cannot be read"):
        prepare(tmp_path, mirror, archives)
    (mirror / "zips/gone.zip").rename(mirror / "zips/train2014.zip")
    prepare(tmp_path, mirror, archives)
    assert (tmp_path / "data/coco2014/train/a.jpg").is_file()


def test_folders_that_the_user_made_are_left_alone(tmp_path, mirror, archives, caplog):
    own = tmp_path / "data" / "coco2014" / "train" / "mine.jpg"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    prepare(tmp_path, mirror, archives)
    assert own.read_bytes() == b"mine" and not (own.parent / "a.jpg").exists()
    assert "was not unpacked by this program" in caplog.text


def test_another_archive_than_expected_is_refused(tmp_path, mirror, archives):
    write_zip(mirror / "zips/train2014.zip", {"train2014/x.jpg": b"x"})
    with pytest.raises(InputError, match=r"train2014\.zip offers .* bytes, not the expected"):
        prepare(tmp_path, mirror, archives)
    assert not (tmp_path / "data/coco2014/train").exists()


@pytest.mark.parametrize(
    "name", ["../outside.jpg", "train2014/../../outside.jpg", "/outside.jpg", "train2014\\..\\x.jpg"]
)
def test_members_that_lead_outside_are_refused(tmp_path, name):
    file = tmp_path / "in" / "train2014.zip"
    write_zip(file, {"train2014/a.jpg": b"a", name: b"b"})
    with pytest.raises(InputError, match="unsafe"):
        unpack(file, archive_of("in/train2014.zip", tmp_path, "train"), tmp_path / "out")
    assert [found for found in files_below(tmp_path) if "outside" in found or found.endswith(".jpg")] == []
    assert not (tmp_path / "out" / "train").exists()


def test_links_are_refused(tmp_path):
    file = tmp_path / "in" / "train2014.zip"
    write_zip(file, {"train2014/a.jpg": b"a"})
    with zipfile.ZipFile(file, "a") as archive:
        info = zipfile.ZipInfo("train2014/link.jpg")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/hostname")
    with pytest.raises(InputError, match=r"link 'train2014/link\.jpg'"):
        unpack(file, archive_of("in/train2014.zip", tmp_path, "train"), tmp_path / "out")


def test_damaged_archives_are_refused_and_leave_no_folder(tmp_path):
    file = tmp_path / "in" / "train2014.zip"
    write_zip(file, {"train2014/a.jpg": b"abcdefgh" * 100})
    archive = archive_of("in/train2014.zip", tmp_path, "train")
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[200] ^= 1
    for content in (bytes(flipped), whole[: len(whole) // 2], b"no archive"):
        file.write_bytes(content)
        with pytest.raises(InputError, match="is damaged"):
            unpack(file, archive, tmp_path / "out")
        assert not (tmp_path / "out" / "train").exists()


def test_an_archive_of_something_else_is_refused(tmp_path):
    file = tmp_path / "in" / "train2014.zip"
    write_zip(file, {"train2017/a.jpg": b"a"})
    with pytest.raises(InputError, match="nothing under train2014/"):
        unpack(file, archive_of("in/train2014.zip", tmp_path, "train"), tmp_path / "out")


def test_what_an_interrupted_unpacking_left_is_cleared(tmp_path, mirror, archives):
    left = tmp_path / "data" / "coco2014" / ".val.part" / "half.jpg"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    prepare(tmp_path, mirror, archives)
    assert not left.exists() and "val/half.jpg" not in files_below(tmp_path / "data" / "coco2014")


def test_disk_space_is_checked_before_anything_is_fetched(tmp_path, mirror, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=20 * 2**30))
    # 19.0 GiB of images and annotations, and the largest archive of 12.6 GiB beside them.
    with pytest.raises(InputError, match=r"20\.000 GiB free but coco2014 needs 31\.5\d\d GiB"):
        prepare(tmp_path, mirror, ARCHIVES["coco2014"])
    assert files_below(tmp_path / "data") == []


def test_only_what_is_on_disk_of_missing_archives_counts_as_there(tmp_path):
    archives = {
        folder: Archive(f"zips/{folder}.zip", size, "", folder, ()) for folder, size in (("train", 900), ("val", 70))
    }
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "train.zip").write_bytes(bytes(900))
    (tmp_path / "archives" / "val.zip.part").write_bytes(bytes(20))
    # The rest of the archive, and its files.
    assert bytes_needed(tmp_path, [archives["val"]], keep_archives=True) == 50 + 70
    assert bytes_needed(tmp_path, list(archives.values()), keep_archives=True) == 50 + 970
    assert bytes_needed(tmp_path, [], keep_archives=True) == 0
