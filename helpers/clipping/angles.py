"""How far clipping turns the gradient."""

import numpy as np

from helpers.clipping.clip import Array, Gradients, checked_gradients


def angle(one: Gradients, other: Gradients, *, degrees: bool = True) -> float:
    """Return the angle between two gradients, each taken as one long vector.

        θ = 2 atan2(‖u − v‖, ‖u + v‖),   u = g / ‖g‖,   v = g′ / ‖g′‖

    Unlike the arc cosine of uᵀv, this loses no digits at small angles.

    Args:
        one: g: one array for each variable, any shapes.
        other: g′, in the same shapes.
        degrees: Whether the angle is in degrees, in [0, 180], or in radians, in [0, π].

    Returns:
        The angle.

    Raises:
        TypeError: A gradient is a single array, or holds what is no real numbers.
        ValueError: The shapes differ, there is no variable, or a gradient has no direction: all of
            it is 0, or some of it is not finite.

    Example:
        >>> before, after = [np.array([0.9, 100.0])], [np.array([0.9, 1.0])]
        >>> round(angle(before, after), 2)
        41.47

    Reference:
        Kahan (2006), How futile are mindless assessments of roundoff in floating-point computation?
    """
    shapes = [[np.shape(array) for array in checked_gradients(g)] for g in (one, other)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "`one` and `other` must have the same shapes. "
            f"Received: {_listed(shapes[0])} and {_listed(shapes[1])}"
        )
    absent = [[array is None for array in g] for g in (one, other)]
    if absent[0] != absent[1]:
        raise ValueError(
            "`one` and `other` must have no gradient (None) for the same variables. "
            f"Received: {absent[0]} and {absent[1]}"
        )
    u, v = _direction(one, "one"), _direction(other, "other")
    radians = 2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))
    return float(np.degrees(radians) if degrees else radians)


def _direction(gradients: Gradients, argument: str) -> Array:
    """Return the whole gradient as a vector of length 1, in float64."""
    vector = np.concatenate([np.ravel(array) for array in checked_gradients(gradients)])
    vector = vector.astype(np.float64)
    largest = np.abs(vector).max(initial=0.0)
    if not 0 < largest < np.inf:
        raise ValueError(
            f"`{argument}` must be finite and not all 0, else it has no direction. "
            f"Received: largest component {largest}"
        )
    vector = vector / largest  # so that no square overflows or vanishes
    return vector / np.linalg.norm(vector)


def _listed(shapes: list[tuple[int, ...]]) -> str:
    return ", ".join(map(str, shapes))
