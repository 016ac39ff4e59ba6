"""Outlines of the embedded data set's classes, and area and clipping of polygons."""

import numpy as np

# Distinguishable by their outlines at any rotation, even at 10 pixels. In the order of their category ids 1 to 6.
CLASS_NAMES = ("circle", "crescent", "cross", "ring", "square", "triangle")

CURVE_POINTS = 40


def outline(name: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the outline of a class, with proportions that vary within the class, and of its hole, or None.

    Outlines are float64 [K, 2], corner points in order around the origin, within the unit circle or close to it.
    """
    if name == "ring":
        return _arc(0, 2 * np.pi, CURVE_POINTS, 1.0), _arc(0, 2 * np.pi, CURVE_POINTS, rng.uniform(0.5, 0.62))
    if name == "crescent":
        return _crescent(offset=rng.uniform(0.45, 0.6), inner_radius=0.85), None
    if name == "cross":
        arm = rng.uniform(0.24, 0.34)
        quarter = np.array([[1.0, -arm], [1.0, arm], [arm, arm]])
        turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
        return np.concatenate([quarter @ np.linalg.matrix_power(turn, count) for count in range(4)]), None
    corners = {"circle": CURVE_POINTS, "square": 4, "triangle": 3}[name]
    return _arc(0, 2 * np.pi, corners, 1.0), None


def polygon_area(polygon: np.ndarray) -> float:
    """Return the area of a simple polygon [K, 2] (shoelace formula); 0 for fewer than three points."""
    if len(polygon) < 3:
        return 0.0
    # Relative to the first corner, whose two edges then contribute nothing.
    x, y = (polygon[1:] - polygon[0]).T
    return float(abs(np.dot(x[:-1], y[1:]) - np.dot(y[:-1], x[1:])) / 2)


def clip_polygon(polygon: np.ndarray, width: float, height: float) -> np.ndarray:
    """Return the part of a polygon [K, 2] inside an image of `width` x `height` (Sutherland and Hodgman, 1974)."""
    if (polygon >= 0).all() and (polygon <= (width, height)).all():
        return polygon
    for axis, limit in ((0, width), (1, height)):
        for sign, border in ((1.0, 0.0), (-1.0, -limit)):
            polygon = _cut(polygon, sign * polygon[:, axis] - border)
    return polygon.clip(0, (width, height))


def _cut(polygon: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return the part of a polygon where the signed distances of its corners, float64 [K], are not negative."""
    kept = []
    pairs = zip(polygon, inside, np.roll(polygon, 1, axis=0), np.roll(inside, 1), strict=True)
    for corner, distance, before, distance_before in pairs:
        if (distance >= 0) != (distance_before >= 0):
            kept.append(before + (corner - before) * (distance_before / (distance_before - distance)))
        if distance >= 0:
            kept.append(corner)
    return np.array(kept).reshape(-1, 2)


def _arc(start: float, end: float, count: int, radius: float) -> np.ndarray:
    angles = np.linspace(start, end, count, endpoint=False)
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _crescent(offset: float, inner_radius: float) -> np.ndarray:
    """Return the unit disc without a disc whose centre is `offset` to the right."""
    # The circles intersect where x**2 + y**2 = 1 and (x - offset)**2 + y**2 = inner_radius**2.
    x = (1 + offset**2 - inner_radius**2) / (2 * offset)
    outer_angle = np.arctan2(np.sqrt(1 - x**2), x)
    inner_angle = np.arctan2(np.sqrt(1 - x**2), x - offset)
    outer = _arc(outer_angle, 2 * np.pi - outer_angle, CURVE_POINTS, 1.0)
    inner = _arc(2 * np.pi - inner_angle, inner_angle, CURVE_POINTS // 2, inner_radius)
    return np.concatenate([outer, inner + np.array([offset, 0.0])])
