"""What calls cost: a model's prediction, its training step, or anything else, timed in turns.

A machine is never quite alone. Times of calls that take turns can be compared all the same; times
of one call after the other cannot.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial

import keras
import numpy as np

from helpers.checks import check_model

Array = np.ndarray


def time_interleaved(
    calls: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    repeats: int = 5,
    clock: Callable[[], float] | None = None,
) -> dict[str, Array]:
    """Time calls in turn, round by round, so that a busy moment meets all of them alike.

    Each turn shuffles them, since a call finds the caches as the one before left them.

    Args:
        calls: What to time, by name; each is called once beforehand.
        rounds: Number of rounds.
        repeats: Turns in a round; each call's fastest counts.
        clock: What tells the seconds, without arguments: by default `time.process_time`, to which
            other processes do not count, and all threads of this one do. `time.perf_counter`
            tells what passes on the wall.

    Returns:
        Seconds, by name, shape (rounds,).

    Raises:
        TypeError: `clock` is not callable.
        ValueError: `calls` is empty, or a count is below 1.

    Example:
        >>> seconds = time_interleaved({"sum": lambda: sum(range(99)), "none": int}, rounds=3)
        >>> {name: values.shape for name, values in seconds.items()}
        {'sum': (3,), 'none': (3,)}
    """
    if not calls or min(rounds, repeats) < 1:
        raise ValueError(
            "`calls` must not be empty, `rounds` and `repeats` must be at least 1. "
            f"Received: {len(calls)} calls, rounds={rounds}, repeats={repeats}"
        )
    if not (clock is None or callable(clock)):
        raise TypeError(f"`clock` must be callable or None. Received: clock={clock!r}")
    clock = time.process_time if clock is None else clock
    seconds = {name: np.full((rounds, repeats), np.inf) for name in calls}
    for call in calls.values():
        call()
    rng = np.random.default_rng(0)
    for turn in np.ndindex(rounds, repeats):
        for name in rng.permutation(list(calls)):
            start = clock()
            calls[name]()
            seconds[name][turn] = clock() - start
    return {name: values.min(axis=1) for name, values in seconds.items()}


def prediction(model: keras.Model, x: Array) -> Callable[[], object]:
    """Compile a model's prediction for one batch, as a call without arguments.

    Args:
        model: A built model.
        x: Inputs of the batch.

    Returns:
        A function that puts out the model's outputs in inference mode.

    Raises:
        ValueError: The model is not built.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        >>> prediction(model, np.ones((5, 2)))().shape
        TensorShape([5, 3])
    """
    import tensorflow as tf

    check_model(model)
    x = tf.convert_to_tensor(np.asarray(x, dtype=model.inputs[0].dtype))

    def call(x):
        return model(x, training=False)

    # A concrete function: no call looks for the right trace.
    spec = tf.TensorSpec.from_tensor(x)
    return partial(tf.function(call, autograph=False).get_concrete_function(spec), x)


def training_step(
    model: keras.Model,
    x: Array,
    y: Array,
    *,
    loss: str | keras.Loss = "sparse_categorical_crossentropy",
) -> Callable[[], object]:
    """Compile one step of gradient descent on a batch, as a call without arguments.

    It trains a copy, at a learning rate of 0: the arithmetic of a step, the weights of the start.

    Args:
        model: A built model; it is not changed.
        x: Inputs of the batch.
        y: Targets of the batch.
        loss: The loss, by Keras' name or as an object.

    Returns:
        A function that takes the step and puts out the batch's loss.

    Raises:
        ValueError: The model is not built.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> training_step(model, np.ones((5, 2)), np.ones((5, 1)), loss="mse")().shape
        TensorShape([])
    """
    import tensorflow as tf

    check_model(model)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    optimizer = keras.optimizers.SGD(0.0)
    optimizer.build(copy.trainable_variables)
    x, y = tf.convert_to_tensor(np.asarray(x, dtype=model.inputs[0].dtype)), tf.convert_to_tensor(y)

    def step(x, y):
        with tf.GradientTape() as tape:
            value = tf.reduce_mean(keras.losses.get(loss)(y, copy(x, training=True)))
        gradients = tape.gradient(value, [v.value for v in copy.trainable_variables])
        optimizer.apply_gradients(zip(gradients, copy.trainable_variables, strict=True))
        return value

    specs = tf.TensorSpec.from_tensor(x), tf.TensorSpec.from_tensor(y)
    return partial(tf.function(step, autograph=False).get_concrete_function(*specs), x, y)
