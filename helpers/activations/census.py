"""Which hidden units put out nothing, or never anything above 0."""

from collections.abc import Sequence

import numpy as np

from helpers.activations.functions import Array, Function


def hidden_outputs(weights: Sequence[Array], x: Array, *, function: Function) -> list[Array]:
    """Return what each hidden layer of stacked perceptrons puts out: f(hW + b), layer by layer.

    Args:
        weights: Kernel and bias of each layer in turn, the output layer's last; kernels have
            shape (replicas, inputs, units), biases (replicas, units).
        x: Examples, shape (examples, ...); they are flattened.
        function: The hidden layers' activation.

    Returns:
        For each hidden layer an array of shape (replicas, examples, units).

    Raises:
        ValueError: The weights are not pairs of kernel and bias.
    """
    if len(weights) % 2 or any(kernel.ndim != 3 for kernel in weights[::2]):
        raise ValueError(
            "`weights` must be a kernel (replicas, inputs, units) and a bias for each layer. "
            f"Received: shapes {[np.shape(array) for array in weights]}"
        )
    outputs = [np.reshape(x, (1, len(x), -1))]
    for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        outputs.append(function(outputs[-1] @ kernel + bias[:, None, :]))
    return outputs[1:]


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
