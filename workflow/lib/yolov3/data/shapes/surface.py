"""Colours, textures and light of the embedded data set's scenes. Images are float32 [H, W, 3] BGR in 0..255."""

import cv2
import numpy as np

# Smallest Euclidean distance, 0..441, of an object's colour from the background's mean colour.
MIN_CONTRAST = 95.0


def background(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Return a background, float32 [height, width, 3]: a gradient, stripes or clouds, with fine grain."""
    first = rng.uniform(20, 235, 3)
    second = np.clip(first + rng.normal(0, 45, 3), 10, 245)
    image = _two_colours(first, second, _field(rng, width, height))
    if rng.random() < 0.6:
        clouds = _clouds(rng, width, height, cells=int(rng.integers(3, 40)))
        image += same_in_all_channels(clouds * np.float32(rng.uniform(8, 40)))
    return image


def surface(rng: np.random.Generator, colour: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the texture of an object, float32 [height, width, 3]: plain, or varied around `colour`."""
    if rng.random() < 0.35:
        return np.broadcast_to(colour.astype(np.float32), (height, width, 3))
    second = np.clip(colour + rng.normal(0, 26, 3), 0, 255)
    return _two_colours(colour, second, _field(rng, width, height))


def object_colour(rng: np.random.Generator, behind: np.ndarray) -> np.ndarray:
    """Return a colour, float64 [3], at least MIN_CONTRAST from the mean of the image part that it will cover."""
    mean = np.array(cv2.mean(behind)[:3])
    colour = rng.uniform(0, 255, 3)
    while np.linalg.norm(colour - mean) < MIN_CONTRAST:
        colour = rng.uniform(0, 255, 3)
    return colour


def clutter_colour(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Return a random colour, float64 [3], half of the time close to that of a random pixel of the image."""
    if rng.random() < 0.5:
        return rng.uniform(0, 255, 3)
    row, column = rng.integers(image.shape[0]), rng.integers(image.shape[1])
    return np.clip(image[row, column] + rng.normal(0, 35, 3), 0, 255)


def light(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Return the image, uint8, with random brightness, side light, vignetting, shadow, blur and noise."""
    height, width = image.shape[:2]
    x, y = np.meshgrid(np.linspace(-1, 1, 24), np.linspace(-1, 1, 24))
    gain = np.full_like(x, rng.uniform(0.6, 1.25))
    angle = rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * x + np.sin(angle) * y
    gain *= 1 + rng.uniform(0, 0.3) * along
    if rng.random() < 0.4:
        gain *= 1 - rng.uniform(0.1, 0.45) * (x**2 + y**2) / 2
    if rng.random() < 0.3:
        gain *= 1 - rng.uniform(0.2, 0.45) / (1 + np.exp(rng.uniform(5, 30) * (along - rng.uniform(-0.6, 0.6))))
    image = image * same_in_all_channels(cv2.resize(gain.astype(np.float32), (width, height)))
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 0.9))
    strength = rng.uniform(0, 0.12)
    noise = rng.integers(0, 256, size=image.shape, dtype=np.uint8)
    # Rounds and keeps to 0..255.
    return cv2.addWeighted(image, 1, noise, strength, -128 * strength, dtype=cv2.CV_8U)


def same_in_all_channels(plane: np.ndarray) -> np.ndarray:
    """Repeat a plane [H, W] to [H, W, 3], because arithmetic with a broadcast axis is several times slower."""
    return cv2.merge([plane, plane, plane])


def _two_colours(first: np.ndarray, second: np.ndarray, field: np.ndarray) -> np.ndarray:
    return cv2.transform(field, np.stack([second - first, first], axis=1))


def _field(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Return a pattern, float32 [height, width], of values around 0..1."""
    angle = rng.uniform(0, 2 * np.pi)
    across, down = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    x, y = np.cos(angle) * across, np.sin(angle) * down
    kind = rng.integers(4)
    if kind == 0:
        return (x + y) / np.float32(width + height) + np.float32(0.5)
    if kind == 1:
        period = rng.uniform(4, 40)
        return 0.5 + 0.5 * np.sin((x + y) * np.float32(2 * np.pi / period))
    if kind == 2:
        # A chequerboard with soft edges.
        period = rng.uniform(6, 50)
        scale = np.float32(2 * np.pi / period)
        return 0.5 + 0.5 * np.tanh(3 * np.sin(across * scale) * np.sin(down * scale))
    return 0.5 + 0.5 * _clouds(rng, width, height, cells=int(rng.integers(3, 16)))


def _clouds(rng: np.random.Generator, width: int, height: int, cells: int) -> np.ndarray:
    """Return value noise of two octaves, float32 [height, width], around -1..1, with `cells` cells per side."""
    result = np.zeros((height, width), np.float32)
    for octave, weight in ((1, 0.65), (2, 0.35)):
        grid = rng.uniform(-1, 1, size=(cells * octave, cells * octave)).astype(np.float32)
        result += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return result
