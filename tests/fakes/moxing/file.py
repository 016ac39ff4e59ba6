"""Copies between folders; writes a line for each copy to $FAKE_BUCKETS/calls; fails or hangs where it is told to."""

import os
import shutil
import time
from pathlib import Path


def _local(url):
    bucket = Path(os.environ["FAKE_BUCKETS"])
    return bucket / url.removeprefix("s3://") if url.startswith("s3://") else Path(url)


def exists(url):
    if url == os.environ.get("FAKE_MOXING_REFUSES"):
        raise PermissionError("stat:403 errorCode:AccessDenied")
    return _local(url).exists()


def copy_parallel(src_url, dst_url):
    with (Path(os.environ["FAKE_BUCKETS"]) / "calls").open("a", encoding="utf-8") as calls:
        calls.write(f"{os.environ.get('RANK_ID', '0')} {src_url} -> {dst_url}\n")
    if src_url == os.environ.get("FAKE_MOXING_HANGS"):
        time.sleep(600)
    if not _local(src_url).is_dir():
        raise FileNotFoundError(f"{src_url} is not there")
    if dst_url == os.environ.get("FAKE_MOXING_REFUSES"):
        raise PermissionError("stat:403 errorCode:AccessDenied")
    shutil.copytree(_local(src_url), _local(dst_url), dirs_exist_ok=True)


def remove(url, recursive=False):
    assert recursive or not _local(url).is_dir(), "a folder needs recursive"
    shutil.rmtree(_local(url))
