"""The three kinds of clipping: by value, by the norm of each variable, by the norm of them all.

A gradient is a sequence of arrays, one for each variable; clipping returns a list of arrays of the
same shapes and floating types. What is not finite comes out as it does of Keras' optimizers. As a
`GradientTape` returns them: None, of a variable that the loss does not depend on, stays None and
counts for nothing, and `tf.IndexedSlices`, of an embedding, come out as the dense array they mean.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from helpers.checks import as_reals, check_positive

Array = np.ndarray
Gradients = Sequence[Array | None]


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
    check_positive(threshold=threshold)
    limit = float(threshold)  # NumPy's float64 would turn float32 into its own kind
    return _placed(gradients, lambda arrays: [np.clip(array, -limit, limit) for array in arrays])


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
    check_positive(threshold=threshold)
    with np.errstate(all="ignore"):
        return _placed(
            gradients, lambda arrays: [a * _scale(_norm([a]), threshold) for a in arrays]
        )


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
    check_positive(threshold=threshold)

    def clip(arrays):
        norm = _norm(arrays)
        factor = _scale(norm, threshold) + (norm - norm)  # NaN where the norm is not finite
        return [array * factor.astype(array.dtype) for array in arrays]

    with np.errstate(all="ignore"):
        return _placed(gradients, clip)


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


def checked_gradients(gradients: Gradients, name: str = "gradients") -> list[Array]:
    """Return the gradients that there are, as floating arrays; refuse what is no such sequence."""
    several = hasattr(gradients, "__len__") and not isinstance(gradients, str | Mapping)
    if not several or hasattr(gradients, "shape"):
        shape = getattr(gradients, "shape", None)
        raise TypeError(
            f"`{name}` must be a sequence of arrays, one for each variable. Received: "
            + (type(gradients).__name__ if shape is None else f"one array of shape {shape}")
        )
    arrays = [dense(array, name) for array in gradients if array is not None]
    if not arrays:
        raise ValueError(f"`{name}` must hold at least one array. Received: none")
    return [array if array.dtype.kind == "f" else array.astype(np.float64) for array in arrays]


def dense(gradient, name: str = "gradients") -> Array:
    """Return a gradient as an array; of sparse slices, those of one row added up.

    Args:
        gradient: An array, or what has `indices`, `values` and `dense_shape`, as
            `tf.IndexedSlices` has.
        name: What it is called, for an error.

    Raises:
        TypeError: It holds what is no real numbers.
        ValueError: Sparse slices do not say the shape of the whole.
    """
    if not hasattr(gradient, "indices") or not hasattr(gradient, "dense_shape"):
        return as_reals(name, gradient, dtype=None)
    if gradient.dense_shape is None:
        raise ValueError("sparse gradients must have a `dense_shape`. Received: dense_shape=None")
    values = np.asarray(gradient.values)
    whole = np.zeros(tuple(np.asarray(gradient.dense_shape)), values.dtype)
    np.add.at(whole, np.asarray(gradient.indices), values)
    return whole


def _placed(gradients: Gradients, clip: Callable[[list[Array]], list[Array]]) -> list:
    """Clip the gradients that there are, and put None where there is none."""
    clipped = iter(clip(checked_gradients(gradients)))
    return [None if gradient is None else next(clipped) for gradient in gradients]


def _norm(arrays: Gradients) -> np.floating:
    return np.sqrt(sum(np.sum(np.square(array)) for array in arrays))


def _scale(norm: np.floating, threshold: float) -> np.floating:
    """Return min(1, c / ‖g‖), which is 1 where the norm is 0."""
    return np.minimum(1, norm.dtype.type(threshold) / norm)
