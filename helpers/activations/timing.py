"""What an activation costs, forward and backward."""

import time
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from helpers.activations.functions import Array


def value_and_gradient(function: Callable, z) -> Callable[[], tuple]:
    """Compile a Keras activation's forward and backward pass on one tensor.

    Args:
        function: From a tensor to a tensor of the same shape: an activation or a built layer.
        z: Tensor of pre-activations.

    Returns:
        A function without arguments that computes the value and the gradient of its sum.
    """
    import tensorflow as tf

    def call(z):
        y = function(z)
        return y, tf.gradients(y, z)[0]

    # A concrete function, because many of the same code would make TensorFlow warn of retracing.
    spec = tf.TensorSpec.from_tensor(z)
    return partial(tf.function(call, autograph=False).get_concrete_function(spec), z)


def time_interleaved(
    calls: Mapping[str, Callable[[], object]], *, rounds: int, repeats: int = 5
) -> dict[str, Array]:
    """Time calls in turn, round by round, so that a busy moment meets all of them alike.

    Each turn shuffles them, since a call finds the caches as the one before left them.

    Args:
        calls: What to time, by name; each is called once beforehand.
        rounds: Number of rounds.
        repeats: Turns in a round; each call's fastest counts.

    Returns:
        Seconds, by name, shape (rounds,).

    Raises:
        ValueError: `calls` is empty, or a count is below 1.
    """
    if not calls or min(rounds, repeats) < 1:
        raise ValueError(
            "`calls` must not be empty, `rounds` and `repeats` must be at least 1. "
            f"Received: {len(calls)} calls, rounds={rounds}, repeats={repeats}"
        )
    seconds = {name: np.full((rounds, repeats), np.inf) for name in calls}
    for call in calls.values():
        call()
    rng = np.random.default_rng(0)
    for turn in np.ndindex(rounds, repeats):
        for name in rng.permutation(list(calls)):
            call = calls[name]
            start = time.perf_counter()
            call()
            seconds[name][turn] = time.perf_counter() - start
    return {name: values.min(axis=1) for name, values in seconds.items()}
