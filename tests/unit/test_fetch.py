import hashlib
import re
import shutil
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from yolov3.data import fetch as fetch_module
from yolov3.data.fetch import fetch
from yolov3.errors import InputError

CONTENT = np.random.default_rng(0).bytes(3_500_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server:
    """What a server sends, and the requests it got.

    `breaks` holds, for the next answers, the number of bytes after which the connection is closed.
    """

    def __init__(self):
        self.content = CONTENT
        self.breaks = []
        self.ranges = []
        self.knows_ranges = True
        self.etag = None
        self.knows_if_range = True
        self.status = None
        self.content_type = "application/zip"


@contextmanager
def running(server):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            asked = self.headers.get("Range")
            server.ranges.append(asked)
            if server.status:
                self.send_error(server.status)
                return
            is_other = server.knows_if_range and self.headers.get("If-Range", server.etag) != server.etag
            can_resume = asked and server.knows_ranges and not is_other
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if can_resume else 0
            total = len(server.content)
            if start >= total and start:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{total}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            self.send_header("Content-Length", str(total - start))
            self.send_header("Content-Type", server.content_type)
            if server.etag:
                self.send_header("ETag", server.etag)
            self.end_headers()
            body = server.content[start:]
            if server.breaks:
                body = body[: server.breaks.pop(0)]
                self.close_connection = True
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_address[1]}"
    finally:
        http.shutdown()
        http.server_close()


@pytest.fixture(autouse=True)
def quick_and_local(monkeypatch):
    monkeypatch.setattr(fetch_module, "RETRY_SECONDS", 0)
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server():
    server = Server()
    with running(server) as url:
        server.url = f"{url}/a file.zip".replace(" ", "%20")
        yield server


def test_whole(server, tmp_path):
    target = tmp_path / "näher dran" / "file.zip"
    fetch(server.url, target, len(CONTENT), SHA256)
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["file.zip"]
    fetch(server.url, target, len(CONTENT), SHA256)
    assert server.ranges == [None]


def test_what_is_there_but_wrong_is_fetched_again(server, tmp_path):
    target = tmp_path / "file.zip"
    target.write_bytes(CONTENT[::-1])
    fetch(server.url, target, sha256=SHA256)
    assert target.read_bytes() == CONTENT


def test_a_break_in_the_middle_is_continued_by_range(server, tmp_path):
    server.breaks = [1_200_000, 700_000]
    fetch(server.url, tmp_path / "file.zip", len(CONTENT), SHA256)
    assert (tmp_path / "file.zip").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1200000-", "bytes=1900000-"]


def test_the_next_run_goes_on_from_what_is_kept(server, tmp_path):
    server.breaks = [1_200_000] + [0] * 50
    target = tmp_path / "file.zip"
    with pytest.raises(InputError, match=r"1200000 bytes are kept.*run again"):
        fetch(server.url, target, len(CONTENT), SHA256)
    assert not target.exists() and (tmp_path / "file.zip.part").stat().st_size == 1_200_000
    server.breaks, server.ranges = [], []
    fetch(server.url, target, len(CONTENT), SHA256)
    assert server.ranges == ["bytes=1200000-"]
    assert target.read_bytes() == CONTENT and not (tmp_path / "file.zip.part").exists()


def test_a_server_without_ranges_is_read_from_the_start(server, tmp_path):
    server.knows_ranges = False
    server.breaks = [1_200_000]
    fetch(server.url, tmp_path / "file.zip", len(CONTENT), SHA256)
    assert (tmp_path / "file.zip").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1200000-"]


def test_a_whole_part_is_not_fetched_again(server, tmp_path):
    (tmp_path / "file.zip.part").write_bytes(CONTENT)
    fetch(server.url, tmp_path / "file.zip", len(CONTENT), SHA256)
    assert server.ranges == [] and (tmp_path / "file.zip").read_bytes() == CONTENT


def broken_off(server, target):
    server.breaks = [1_200_000] + [0] * 50
    with pytest.raises(InputError, match="1200000 bytes are kept"):
        fetch(server.url, target)
    server.breaks, server.ranges = [], []


def test_a_file_that_did_not_change_is_continued_without_a_checksum(server, tmp_path):
    server.etag = '"1"'
    broken_off(server, tmp_path / "file.zip")
    fetch(server.url, tmp_path / "file.zip")
    assert (tmp_path / "file.zip").read_bytes() == CONTENT
    assert server.ranges == ["bytes=1200000-"]
    assert [path.name for path in tmp_path.iterdir()] == ["file.zip"]


@pytest.mark.parametrize("knows_if_range", [True, False])
def test_a_file_that_changed_at_its_address_is_not_mixed_with_the_former(server, tmp_path, knows_if_range):
    server.etag, server.knows_if_range = '"1"', knows_if_range
    broken_off(server, tmp_path / "file.zip")
    server.etag, server.content = '"2"', CONTENT[::-1]
    fetch(server.url, tmp_path / "file.zip")
    assert (tmp_path / "file.zip").read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("etag", [None, 'W/"1"'])
def test_a_version_that_nobody_can_tell_is_not_continued(server, tmp_path, etag, caplog):
    server.etag = etag
    broken_off(server, tmp_path / "file.zip")
    server.content = CONTENT[::-1]
    fetch(server.url, tmp_path / "file.zip")
    assert (tmp_path / "file.zip").read_bytes() == CONTENT[::-1]
    assert "may be a part of another file" in caplog.text


def test_a_part_of_another_address_is_not_continued(server, tmp_path):
    server.etag = '"1"'
    broken_off(server, tmp_path / "file.zip")
    server.content = CONTENT[::-1]
    fetch(f"{server.url}?other", tmp_path / "file.zip", sha256=hashlib.sha256(CONTENT[::-1]).hexdigest())
    assert server.ranges == [None]


def test_a_part_that_is_too_long_is_read_anew(server, tmp_path):
    (tmp_path / "file.zip.part").write_bytes(CONTENT + b"more")
    fetch(server.url, tmp_path / "file.zip", sha256=SHA256)
    assert (tmp_path / "file.zip").read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT) + 4}-", None]


def test_wrong_content_is_refused_and_not_kept(server, tmp_path):
    with pytest.raises(InputError, match=f"SHA-256 {SHA256}, not the expected {'0' * 64}"):
        fetch(server.url, tmp_path / "file.zip", len(CONTENT), "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_spoilt_part_is_thrown_away_so_that_the_next_run_is_right(server, tmp_path):
    (tmp_path / "file.zip.part").write_bytes(b"\0" * 1000)
    with pytest.raises(InputError, match="SHA-256"):
        fetch(server.url, tmp_path / "file.zip", len(CONTENT), SHA256)
    fetch(server.url, tmp_path / "file.zip", len(CONTENT), SHA256)
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


def test_another_size_is_refused_before_the_transfer(server, tmp_path):
    with pytest.raises(InputError, match="offers 3500000 bytes, not the expected 13510573713"):
        fetch(server.url, tmp_path / "file.zip", 13_510_573_713)
    assert not (tmp_path / "file.zip").exists()


@pytest.mark.parametrize("size", [None, 248_007_048])
def test_a_web_page_is_told(server, tmp_path, size):
    server.content = b"\n<!DOCTYPE html><html><head><title>Site\n moved</title></head></html>"
    with pytest.raises(InputError, match=r"sends a web page \(Site moved\) instead of the file"):
        fetch(server.url, tmp_path / "file.zip", size)
    assert list(tmp_path.iterdir()) == []


def test_not_found_is_told_at_once(server, tmp_path):
    server.status = 404
    with pytest.raises(InputError, match="answers 404 Not Found"):
        fetch(server.url, tmp_path / "file.zip")
    assert len(server.ranges) == 1


def test_a_server_in_trouble_is_asked_again_and_then_told(server, tmp_path):
    server.status = 503
    with pytest.raises(InputError, match="the server answers 503"):
        fetch(server.url, tmp_path / "file.zip")
    assert len(server.ranges) == fetch_module.MAX_TRIES


def test_nobody_there(tmp_path):
    with running(Server()) as url:
        pass
    with pytest.raises(InputError, match=r"cannot be fetched.*refused"):
        fetch(f"{url}/file.zip", tmp_path / "file.zip")


def test_invalid_address(tmp_path):
    with pytest.raises(InputError, match="not a valid address"):
        fetch("http://127.0.0.1:80/a file", tmp_path / "file.zip")


def test_file_url(tmp_path):
    source = tmp_path / "größe 1.bin"
    source.write_bytes(CONTENT)
    fetch(source.as_uri(), tmp_path / "copy.bin", len(CONTENT), SHA256)
    assert (tmp_path / "copy.bin").read_bytes() == CONTENT
    with pytest.raises(InputError, match="cannot be read"):
        fetch((tmp_path / "missing.bin").as_uri(), tmp_path / "copy2.bin")


def test_a_full_disk_is_told_before_the_transfer(server, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1_000_000))
    with pytest.raises(InputError, match=r"0\.001 GiB free but file\.zip needs 0\.003 GiB"):
        fetch(server.url, tmp_path / "file.zip")
    assert list(tmp_path.iterdir()) == []
