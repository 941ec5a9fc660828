"""The three kinds of clipping: by value, by the norm of each variable, by the norm of them all.

A gradient is a sequence of arrays, one for each variable; clipping returns a list of arrays of the
same shapes and floating types. What is not finite comes out as it does of Keras' optimizers.
"""

from collections.abc import Sequence

import numpy as np

Array = np.ndarray
Gradients = Sequence[Array]


def clip_by_value(gradients: Gradients, threshold: float) -> list[Array]:
    """Return the gradient with every component limited to [−c, c], as Keras' `clipvalue` does.

        gᵢ ← max(−c, min(c, gᵢ))

    Args:
        gradients: One array for each variable, any shapes.
        threshold: c, above 0 and finite.

    Returns:
        One array for each variable. Infinity becomes ±c; NaN stays NaN.

    Raises:
        TypeError: `gradients` is a single array, or holds what is no real numbers.
        ValueError: There is no variable, or `threshold` is not above 0 and finite.

    Example:
        >>> clip_by_value([np.array([0.9, 100.0])], 1.0)
        [array([0.9, 1. ])]
    """
    check_threshold(threshold)
    limit = float(threshold)  # NumPy's float64 would turn float32 into its own kind
    return [np.clip(array, -limit, limit) for array in checked_gradients(gradients)]


def clip_by_norm(gradients: Gradients, threshold: float) -> list[Array]:
    """Return the gradient with each variable's norm limited to c, as Keras' `clipnorm` does.

        gᵛ ← min(1, c / ‖gᵛ‖) gᵛ   for each variable v by itself

    Each variable keeps its direction; the whole gradient does not, unless there is one variable.

    Args:
        gradients: One array for each variable, any shapes.
        threshold: c, above 0 and finite.

    Returns:
        One array for each variable. A variable with a NaN becomes NaN. In one with an infinity the
        infinity becomes NaN and the rest 0, and so does a finite gradient whose squares overflow
        (beyond some 1e19 in float32) become 0.

    Raises:
        TypeError: `gradients` is a single array, or holds what is no real numbers.
        ValueError: There is no variable, or `threshold` is not above 0 and finite.

    Example:
        >>> clip_by_norm([np.array([3.0, 4.0]), np.array([0.6, 0.8])], 1.0)
        [array([0.6, 0.8]), array([0.6, 0.8])]

    Reference:
        Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks.
    """
    check_threshold(threshold)
    arrays = checked_gradients(gradients)
    with np.errstate(all="ignore"):
        return [array * _scale(_norm([array]), threshold) for array in arrays]


def clip_by_global_norm(gradients: Gradients, threshold: float) -> list[Array]:
    """Return the gradient with the norm of the whole limited to c, as Keras' `global_clipnorm`.

        g ← min(1, c / ‖g‖) g,   ‖g‖² = Σᵥ ‖gᵛ‖²

    All variables shrink by one factor, so the whole gradient keeps its direction.

    Args:
        gradients: One array for each variable, any shapes.
        threshold: c, above 0 and finite.

    Returns:
        One array for each variable. Where the norm is not finite, everything becomes NaN.

    Raises:
        TypeError: `gradients` is a single array, or holds what is no real numbers.
        ValueError: There is no variable, or `threshold` is not above 0 and finite.

    Example:
        >>> clip_by_global_norm([np.array([3.0, 0.0]), np.array([4.0])], 1.0)
        [array([0.6, 0. ]), array([0.8])]

    Reference:
        Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks.
    """
    check_threshold(threshold)
    arrays = checked_gradients(gradients)
    with np.errstate(all="ignore"):
        norm = _norm(arrays)
        factor = _scale(norm, threshold) + (norm - norm)  # NaN where the norm is not finite
        return [array * factor.astype(array.dtype) for array in arrays]


def global_norm(gradients: Gradients) -> float:
    """Return the Euclidean norm of all components of all variables, ‖g‖ = √Σᵥ ‖gᵛ‖².

    Args:
        gradients: One array for each variable, any shapes.

    Returns:
        The norm, 0 or more. The squares are summed in the arrays' own type, as in Keras, so that
        from some 1e19 on the norm in float32 is infinite.

    Raises:
        TypeError: `gradients` is a single array, or holds what is no real numbers.
        ValueError: There is no variable.

    Example:
        >>> global_norm([np.array([3.0, 0.0]), np.array([4.0])])
        5.0
    """
    with np.errstate(all="ignore"):
        return float(_norm(checked_gradients(gradients)))


def checked_gradients(gradients: Gradients) -> list[Array]:
    """Return the gradient as floating arrays; refuse what is not one array for each variable."""
    if isinstance(gradients, np.ndarray):
        raise TypeError(
            "`gradients` must be a sequence of arrays, one for each variable. "
            f"Received: one array of shape {gradients.shape}"
        )
    arrays = [np.asarray(array) for array in gradients]
    if not arrays:
        raise ValueError("`gradients` must hold at least one array. Received: none")
    kinds = {array.dtype for array in arrays if array.dtype.kind not in "iuf"}
    if kinds:
        raise TypeError(
            "`gradients` must hold real numbers. "
            f"Received: arrays of type {', '.join(sorted(map(str, kinds)))}"
        )
    return [array if array.dtype.kind == "f" else array.astype(np.float64) for array in arrays]


def check_threshold(threshold: float, name: str = "threshold") -> None:
    """Refuse what is not above 0 and finite."""
    if not 0 < threshold < np.inf:
        raise ValueError(f"`{name}` must be above 0 and finite. Received: {name}={threshold}")


def _norm(arrays: Gradients) -> np.floating:
    return np.sqrt(sum(np.sum(np.square(array)) for array in arrays))


def _scale(norm: np.floating, threshold: float) -> np.floating:
    """Return min(1, c / ‖g‖), which is 1 where the norm is 0."""
    return np.minimum(1, norm.dtype.type(threshold) / norm)
