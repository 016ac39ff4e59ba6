"""Images that look alike: the same photograph scaled, compressed or brightened, among others."""

import itertools

import cv2
import numpy as np
import pytest

from yolov3.data.near_duplicates import MAX_DISTANCE, perceptual_hashes, similar_groups
from yolov3.errors import InputError


def scene(seed, width=320, height=240):
    """Blurred noise, which has a coarse structure as photographs do."""
    noise = np.random.default_rng(seed).uniform(0, 255, (8, 8, 3)).astype(np.float32)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


def write(folder, name, image, *options):
    assert cv2.imwrite(str(folder / name), image, list(options))
    return folder / name


def test_copies_are_found_and_others_are_not(tmp_path):
    original = scene(1)
    paths = [
        write(tmp_path, "original.png", original),
        write(tmp_path, "compressed.jpg", original, cv2.IMWRITE_JPEG_QUALITY, 40),
        write(tmp_path, "small.png", cv2.resize(original, (160, 120), interpolation=cv2.INTER_AREA)),
        write(tmp_path, "large.jpg", cv2.resize(original, (1600, 1200))),
        write(tmp_path, "brighter.png", cv2.convertScaleAbs(original, alpha=0.9, beta=20)),
        *(write(tmp_path, f"other {seed}.jpg", scene(seed)) for seed in range(2, 22)),
    ]
    groups = similar_groups(perceptual_hashes(paths))
    assert len(set(groups[:5].tolist())) == 1
    assert len(set(groups[5:].tolist())) == 20 and groups[0] not in groups[5:]


def test_groups_are_those_of_all_pairs():
    """Random hashes and copies with a few bits changed, beside a comparison of each with each."""
    rng = np.random.default_rng(3)
    hashes = rng.integers(0, 2**63, 60, dtype=np.uint64) * np.uint64(2) + rng.integers(0, 2, 60, dtype=np.uint64)
    copies = []
    for number in rng.integers(0, 60, 80):
        bits = rng.choice(64, int(rng.integers(0, 8)), replace=False)
        copies.append(
            hashes[number] ^ np.bitwise_or.reduce(np.uint64(1) << bits.astype(np.uint64), initial=np.uint64(0))
        )
    both = np.concatenate([hashes, np.array(copies, np.uint64)])
    parent = list(range(len(both)))

    def root(index):
        while parent[index] != index:
            index = parent[index]
        return index

    for one, other in itertools.combinations(range(len(both)), 2):
        if bin(int(both[one]) ^ int(both[other])).count("1") <= MAX_DISTANCE:
            parent[root(one)] = root(other)
    expected = np.array([root(index) for index in range(len(both))])
    found = similar_groups(both)
    assert ((found[:, None] == found) == (expected[:, None] == expected)).all()
    assert 60 < len(set(found.tolist())) < 140


@pytest.mark.parametrize("distance", [0, 1, 4, 8])
def test_the_distance_counts_to_the_bit(distance):
    near, far = (np.uint64((1 << bits) - 1) << np.uint64(17) for bits in (distance, distance + 1))
    groups = similar_groups(np.array([0, near], np.uint64), distance)
    assert groups[0] == groups[1]
    groups = similar_groups(np.array([0, far], np.uint64), distance)
    assert groups[0] != groups[1]


def test_no_images_one_image_and_a_damaged_one(tmp_path):
    assert similar_groups(perceptual_hashes([])).tolist() == []
    path = write(tmp_path, "a.png", scene(1))
    seen = []
    assert similar_groups(perceptual_hashes([path], lambda: seen.append(1))).tolist() == [0]
    assert seen == [1]
    path.write_bytes(b"no image")
    with pytest.raises(InputError, match="is not an image"):
        perceptual_hashes([path])
