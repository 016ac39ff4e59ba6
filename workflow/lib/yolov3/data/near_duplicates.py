"""Images that look alike, by perceptual hashes: signs of the low frequencies of a picture's cosine transform.

The same photograph in both splits, scaled or compressed again, makes an accuracy too good.
"""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from yolov3.data.images import read_image_rgb
from yolov3.errors import InputError
from yolov3.process import available_cpus

HASH_BITS = 64
# Differing bits of pictures that count as alike. Of unrelated photographs half the bits differ.
MAX_DISTANCE = 4
# JPEG files are decoded at a fraction of their size, which is at least this.
DECODED_SIDE = 64
ROWS_AT_A_TIME = 1024


def perceptual_hashes(
    paths: Sequence[Path], on_image: Callable[[], Any] = lambda: None, can_skip: bool = False
) -> np.ndarray:
    """Return the hash of each image, uint64 [N].

    Args:
        paths: the images.
        on_image: called after each image.
        can_skip: whether an image that cannot be read gets a hash of its name instead.

    Raises:
        InputError: an image is missing or damaged.
    """

    def hash_of(path: Path) -> np.ndarray:
        try:
            with Image.open(path) as image:
                image.draft("L", (DECODED_SIDE, DECODED_SIDE))
                bits = imagehash.phash(image).hash
        except (OSError, ValueError, SyntaxError):
            try:
                bits = imagehash.phash(Image.fromarray(read_image_rgb(path))).hash
            except InputError:
                if not can_skip:
                    raise
                return np.frombuffer(hashlib.sha256(str(path).encode(errors="replace")).digest()[:8], np.uint8)
        on_image()
        return np.packbits(bits)

    if not paths:
        return np.zeros(0, np.uint64)
    with ThreadPoolExecutor(available_cpus()) as pool:
        return np.stack(list(pool.map(hash_of, paths))).view(np.uint64)[:, 0]


def similar_groups(hashes: np.ndarray, max_distance: int = MAX_DISTANCE) -> np.ndarray:
    """Return a number for each hash, uint64 [N], int64 [N]: that of a group of hashes that are alike, or its own.

    Groups are connected: members may differ by more than `max_distance` bits if others lie between them.
    """
    unique, place = np.unique(hashes, return_inverse=True)
    edges = [np.zeros((0, 2), np.int64)]
    # Hashes that differ in at most d bits are equal in one of d + 1 bands.
    bounds = np.linspace(0, HASH_BITS, max_distance + 2).round().astype(int)
    for first, last in pairwise(bounds.tolist()):
        keys = (unique >> np.uint64(first)) & np.uint64((1 << (last - first)) - 1)
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.concatenate([[True], keys[order][1:] != keys[order][:-1], [True]]))
        for start, end in pairwise(starts.tolist()):
            if end - start > 1:
                edges.append(_close_pairs(unique, order[start:end], max_distance))
    pairs = np.concatenate(edges)
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(len(unique), len(unique)))
    return connected_components(graph, directed=False)[1][place].astype(np.int64)


def _close_pairs(hashes: np.ndarray, members: np.ndarray, max_distance: int) -> np.ndarray:
    """Return the pairs of members, int64 [K, 2] indices of `hashes`, that differ in at most `max_distance` bits."""
    pairs = []
    for first in range(0, len(members), ROWS_AT_A_TIME):
        rows = members[first : first + ROWS_AT_A_TIME]
        different = hashes[rows][:, None] ^ hashes[members][None]
        bits = np.unpackbits(different.view(np.uint8).reshape(*different.shape, -1), axis=-1)
        row, column = np.nonzero(bits.sum(axis=-1, dtype=np.int16) <= max_distance)
        pairs.append(np.stack([rows[row], members[column]], axis=1))
    return np.concatenate(pairs)
