"""Three surfaces to descend on: a bowl, a curved valley, a saddle."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from helpers.checks import as_reals, check_count, check_positive
from helpers.optimizers.optimizer import Array

Extent = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Surface:
    """A function of two parameters that is to be minimized.

    Attributes:
        name: What it is called in figures.
        value: From points, shape (..., 2), to heights, shape (...).
        gradient: From points, shape (..., 2), to gradients of the same shape.
        minima: Where it is lowest, shape (n, 2).
        extent: What a figure shows: ``((x_low, x_high), (y_low, y_high))``.
        start: A point to start from, shape (2,).
    """

    name: str
    value: Callable[[Array], Array]
    gradient: Callable[[Array], Array]
    minima: Array
    extent: Extent
    start: Array

    def grid(self, points: int = 101) -> tuple[Array, Array, Array]:
        """Return ``(x, y, value)`` over the extent, each of shape (points, points).

        Args:
            points: Points along an axis, at least 2.

        Raises:
            TypeError: `points` is no integer.
            ValueError: `points` is below 2.

        Example:
            >>> x, y, height = elongated_bowl().grid(3)
            >>> float(x[1, 1]), float(y[1, 1]), float(height[1, 1])
            (0.0, 0.0, 0.0)
        """
        check_count(2, points=points)
        x, y = np.meshgrid(*(np.linspace(low, high, points) for low, high in self.extent))
        return x, y, self.value(np.stack([x, y], axis=-1))

    def distance(self, theta: Array) -> Array:
        """Return the distance from points, shape (..., 2), to the nearest minimum.

        Example:
            >>> saddle().distance([[0, 0], [0, -3]])
            array([1., 2.])
        """
        gaps = _points(theta)[..., None, :] - self.minima
        return np.linalg.norm(gaps, axis=-1).min(axis=-1)


def elongated_bowl(curvature: float = 25.0) -> Surface:
    """Return a bowl that is κ times as curved along y as along x.

        f = ½ (x² + κ y²),   ∇f = (x, κ y)

    Plain descent needs η < 2/κ for y, and x shrinks by 1 − η only: the larger κ, the slower.

    Args:
        curvature: κ, above 0.

    Raises:
        TypeError: `curvature` is no number.
        ValueError: `curvature` is not above 0 and finite.

    Example:
        >>> bowl = elongated_bowl(4.0)
        >>> float(bowl.value([2, 1])), bowl.gradient([2, 1])
        (4.0, array([2., 4.]))
    """
    check_positive(curvature=curvature)
    scales = np.array([1.0, curvature])
    return Surface(
        name="elongated bowl",
        value=lambda theta: 0.5 * (scales * _points(theta) ** 2).sum(axis=-1),
        gradient=lambda theta: scales * _points(theta),
        minima=np.zeros((1, 2)),
        extent=((-5.0, 5.0), (-2.0, 2.0)),
        start=np.array([-4.0, 1.5]),
    )


def rosenbrock(curvature: float = 100.0) -> Surface:
    """Return Rosenbrock's curved valley along y = x².

        f = (1 − x)² + κ (y − x²)²,   ∇f = (−2 (1 − x) − 4 κ x (y − x²), 2 κ (y − x²))

    Args:
        curvature: κ, above 0.

    Raises:
        TypeError: `curvature` is no number.
        ValueError: `curvature` is not above 0 and finite.

    Example:
        >>> valley = rosenbrock()
        >>> float(valley.value([0, 0])), valley.gradient([0, 0])
        (1.0, array([-2.,  0.]))

    Reference:
        Rosenbrock (1960), An automatic method for finding the greatest or least value of a
        function.
    """
    check_positive(curvature=curvature)

    def value(theta):
        x, y = np.moveaxis(_points(theta), -1, 0)
        return (1 - x) ** 2 + curvature * (y - x**2) ** 2

    def gradient(theta):
        x, y = np.moveaxis(_points(theta), -1, 0)
        above = 2 * curvature * (y - x**2)
        return np.stack([-2 * (1 - x) - 2 * x * above, above], axis=-1)

    return Surface(
        name="Rosenbrock's valley",
        value=value,
        gradient=gradient,
        minima=np.ones((1, 2)),
        extent=((-2.0, 2.0), (-1.0, 3.0)),
        start=np.array([-1.5, 2.0]),
    )


def saddle() -> Surface:
    """Return a saddle at the origin between two minima, at (0, −1) and (0, 1).

        f = ½ x² − ½ y² + ¼ y⁴,   ∇f = (x, y³ − y)

    On the line y = 0 the gradient points straight at the saddle. The start lies just off that line.

    Example:
        >>> float(saddle().value([0, 1])), saddle().gradient([1, 2])
        (-0.25, array([1., 6.]))
    """

    def value(theta):
        x, y = np.moveaxis(_points(theta), -1, 0)
        return 0.5 * x**2 - 0.5 * y**2 + 0.25 * (y**2) ** 2

    def gradient(theta):
        x, y = np.moveaxis(_points(theta), -1, 0)
        return np.stack([x, (y**2 - 1) * y], axis=-1)

    return Surface(
        name="saddle",
        value=value,
        gradient=gradient,
        minima=np.array([[0.0, -1.0], [0.0, 1.0]]),
        extent=((-2.0, 2.0), (-1.5, 1.5)),
        start=np.array([-1.5, 0.001]),
    )


def rotated(surface: Surface, degrees: float) -> Surface:
    """Return the surface turned about the origin, against the clock.

        f′(θ) = f(R⁻¹ θ),   ∇f′(θ) = R ∇f(R⁻¹ θ)

    Gradient descent and momentum turn with it. Rules that treat each parameter by itself do not.

    Args:
        surface: What is turned; its extent stays.
        degrees: The angle, finite.

    Raises:
        TypeError: `degrees` is no number.
        ValueError: `degrees` is not finite.

    Example:
        >>> bowl = rotated(elongated_bowl(4.0), 90)
        >>> bowl.value([1, 2]).round(6), bowl.gradient([1, 2]).round(6)
        (np.float64(4.0), array([4., 2.]))
    """
    angle = np.radians(float(as_reals("degrees", degrees)))
    if not np.isfinite(angle):
        raise ValueError(f"`degrees` must be finite. Received: degrees={degrees}")
    # Points are rows: they are turned from the right, and back by the transpose.
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return replace(
        surface,
        name=f"{surface.name}, turned",
        value=lambda theta: surface.value(_points(theta) @ turn.T),
        gradient=lambda theta: surface.gradient(_points(theta) @ turn.T) @ turn,
        minima=surface.minima @ turn,
        start=surface.start @ turn,
    )


def _points(theta: Array) -> Array:
    theta = as_reals("theta", theta)
    if theta.shape[-1:] != (2,):
        raise ValueError(f"`theta` must have shape (..., 2). Received: {theta.shape}")
    return theta
