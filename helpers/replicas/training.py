"""The loop over epochs, and early stopping of each replica by itself."""

import copy

import numpy as np
import tensorflow as tf

from helpers.replicas.engine import Stack


def batch_order(seed: int, epoch: int, examples: int) -> np.ndarray:
    """Return the order in which a replica sees the examples in an epoch.

    Args:
        seed: The replica's seed, at least 0.
        epoch: Counted from 0.
        examples: Number of training examples.

    Returns:
        A permutation of 0 … examples − 1, shape (examples,), int32.

    Example:
        >>> sorted(batch_order(0, 0, 4).tolist())
        [0, 1, 2, 3]
    """
    return np.random.default_rng((seed, epoch)).permutation(examples).astype(np.int32)


def train(stack: Stack, data, *, seeds, epochs, batch_size, early_stopping):
    """Run the epochs; return histories, each (replicas, epochs), and the final weights."""
    x, y, x_valid, y_valid = _tensors(data)
    stoppers = _stoppers(early_stopping, stack, validated=x_valid is not None)
    rows: list[dict[str, np.ndarray]] = []
    for epoch in range(epochs):
        order = np.stack([batch_order(seed, epoch, len(x)) for seed in seeds])
        seen = stack.train_epoch(x, y, order, batch_size=batch_size)
        if x_valid is not None:
            valid = stack.evaluate(x_valid, y_valid)
            seen |= {f"val_{name}": values for name, values in valid.items()}
        running = np.array([not stopper.model.stop_training for stopper in stoppers] or [True])
        rows.append({name: np.where(running, values, np.nan) for name, values in seen.items()})
        _stop_some(stoppers, stack, epoch, seen)
        if stoppers and all(stopper.model.stop_training for stopper in stoppers):
            break
    history = {name: np.stack([row[name] for row in rows], axis=1) for name in rows[0]}
    return history, _final_weights(stack, stoppers)


class _OneReplica:
    """What Keras' EarlyStopping needs of a model: weights to keep and a flag to set."""

    def __init__(self, number: int):
        self.number = number
        self.stop_training = False
        self.weights: list[np.ndarray] = []

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = weights


def _stoppers(early_stopping, stack, *, validated: bool) -> list:
    """Return a copy of the callback for each replica, so that Keras' own rule decides."""
    if early_stopping is None:
        return []
    names = ["loss", *stack.metrics]
    names += [f"val_{name}" for name in names] if validated else []
    if early_stopping.monitor not in names:
        raise ValueError(
            f"`early_stopping` must monitor one of {', '.join(names)}. "
            f"Received: monitor={early_stopping.monitor!r}"
        )
    stoppers = []
    for number in range(stack.replicas):
        stopper = copy.copy(early_stopping)
        if stopper.mode == "auto" and stopper.monitor.endswith("accuracy"):
            stopper.mode = "max"
        stopper.set_model(_OneReplica(number))
        stopper.on_train_begin()
        stoppers.append(stopper)
    return stoppers


def _stop_some(stoppers, stack, epoch: int, seen: dict[str, np.ndarray]) -> None:
    """Show each running replica its own figures; those that stop keep their weights."""
    weights = stack.weights() if stoppers else ()
    for stopper in stoppers:
        one = stopper.model
        if not one.stop_training:
            one.weights = [weight[one.number] for weight in weights]
            stopper.on_epoch_end(epoch, {name: row[one.number] for name, row in seen.items()})


def _final_weights(stack, stoppers) -> tuple[np.ndarray, ...]:
    if not stoppers:
        return stack.weights()
    for stopper in stoppers:
        stopper.on_train_end()
    columns = zip(*(stopper.model.weights for stopper in stoppers), strict=True)
    return tuple(np.stack(column) for column in columns)


def _tensors(data) -> tuple[tf.Tensor | None, ...]:
    """Return training and validation arrays as tensors, checked for equal lengths."""
    tensors = []
    for split in ("train", "valid"):
        x, y = getattr(data, f"x_{split}", None), getattr(data, f"y_{split}", None)
        sizes = [0 if part is None else len(part) for part in (x, y)]
        if sizes[0] != sizes[1] or (split == "train" and sizes[0] == 0):
            raise ValueError(
                f"`data` must hold as many x_{split} as y_{split}, and training examples at all. "
                f"Received: {sizes[0]} and {sizes[1]}"
            )
        tensors += [tf.constant(x), tf.constant(y)] if sizes[0] else [None, None]
    return tuple(tensors)
