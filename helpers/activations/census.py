"""Which hidden units put out nothing, or never anything above 0."""

import numpy as np

from helpers.activations.functions import Array


def dead_units(outputs: Array) -> Array:
    """Return which units are dead: they put out 0, and nothing else, for every example.

    Args:
        outputs: Outputs of a ReLU layer, shape (..., examples, units).

    Returns:
        Truth values, shape (..., units).

    Raises:
        ValueError: `outputs` holds no example or a value that is not finite.

    Example:
        >>> dead_units(np.array([[0.0, 0.0, 1.0], [0.0, 2.0, 3.0]])).tolist()
        [True, False, False]
    """
    return np.all(_checked_outputs(outputs) == 0, axis=-2)


def sleeping_units(outputs: Array) -> Array:
    """Return which units are asleep: their output is above 0 for no example.

    A dead ReLU unit is asleep; a leaky unit can be asleep without being dead, because its
    gradient is not 0.

    Args:
        outputs: Outputs of a layer, shape (..., examples, units).

    Returns:
        Truth values, shape (..., units).

    Raises:
        ValueError: `outputs` holds no example or a value that is not finite.

    Example:
        >>> sleeping_units(np.array([[-0.1, 0.0, 1.0], [-0.2, 2.0, 3.0]])).tolist()
        [True, False, False]
    """
    return np.all(_checked_outputs(outputs) <= 0, axis=-2)


def _checked_outputs(outputs: Array) -> Array:
    outputs = np.asarray(outputs)
    if outputs.ndim < 2 or outputs.shape[-2] == 0:
        raise ValueError(
            "`outputs` must have shape (..., examples, units) with at least one example. "
            f"Received: shape={outputs.shape}"
        )
    if not np.isfinite(outputs).all():
        raise ValueError("`outputs` must be finite. Received: NaN or infinity, so it diverged")
    return outputs
