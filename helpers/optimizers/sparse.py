"""Softmax regression under an ℓ1 penalty: which optimizer leaves weights at exactly 0?"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from helpers.optimizers.optimizer import (
    Array,
    Optimizer,
    as_reals,
    check_count,
    check_not_negative,
)


class LinearModel(NamedTuple):
    """Replicas of it: kernel (replicas, inputs, classes) and bias (replicas, classes)."""

    kernel: Array
    bias: Array


def fit_softmax_regression(
    optimizer: Optimizer,
    x: Array,
    y: Array,
    *,
    steps: int,
    batch_size: int,
    seeds: Sequence[int],
    l1: float = 0.0,
    bias_optimizer: Optimizer | None = None,
) -> LinearModel:
    """Train replicas of softmax regression with the optimizers of this package, side by side.

        loss = cross-entropy + λ Σ |w|,   ∂loss/∂w = ∂cross-entropy/∂w + λ sign(w)

    An optimizer such as FTRL that has a penalty of its own is given λ = 0 here. The bias bears no
    penalty. Kernels start from Glorot's uniform weights.

    Args:
        optimizer: One of this package.
        x: Inputs, shape (n, …); each example is flattened.
        y: Integer labels, shape (n,), 0 … classes − 1.
        steps: Number of steps, at least 1; the examples are gone through as often as that takes.
        batch_size: Examples a step, at least 1; the last of a pass may be fewer.
        seeds: One for each replica: it decides the first weights and the order of the examples.
        l1: λ, 0 or more.
        bias_optimizer: For the bias; by default the same one.

    Returns:
        The trained replicas.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range, or shapes do not fit.

    Example:
        >>> from helpers.optimizers.adam import adam
        >>> x, y = [[0.0, 1.0], [1.0, 0.0]], [0, 1]
        >>> options = {"steps": 50, "batch_size": 2, "seeds": [0, 1, 2]}
        >>> model = fit_softmax_regression(adam(0.1), x, y, **options)
        >>> accuracy(model, x, y)
        array([1., 1., 1.])
    """
    check_count(1, steps=steps, batch_size=batch_size, seeds=len(seeds))
    check_not_negative(l1=l1)
    x, targets = _flat(x), np.eye(int(np.max(y)) + 1)[np.asarray(y)]
    if len(x) != len(targets):
        raise ValueError(
            f"`x` and `y` must be equally long. Received: lengths {len(x)} and {len(targets)}"
        )
    rngs = [np.random.default_rng(seed) for seed in seeds]
    kernel = np.stack([_glorot(rng, x.shape[1], targets.shape[1]) for rng in rngs])
    bias = np.zeros((len(seeds), targets.shape[1]))
    rules = optimizer, bias_optimizer or optimizer
    states = rules[0].init(kernel), rules[1].init(bias)
    for batch in islice(_batches(rngs, len(x), batch_size), steps):
        slopes = _gradients(LinearModel(kernel, bias), x[batch], targets[batch])
        kernel, state = rules[0].update(slopes.kernel + l1 * np.sign(kernel), states[0], kernel)
        bias, bias_state = rules[1].update(slopes.bias, states[1], bias)
        states = state, bias_state
    return LinearModel(kernel, bias)


def accuracy(model: LinearModel, x: Array, y: Array) -> Array:
    """Return the share of examples that each replica classifies right, shape (replicas,).

    Example:
        >>> accuracy(LinearModel(np.eye(2)[None], np.zeros((1, 2))), [[0, 3], [2, 1]], [1, 1])
        array([0.5])
    """
    scores = np.matmul(_flat(x), model.kernel) + model.bias[:, None]
    return (scores.argmax(axis=-1) == np.asarray(y)).mean(axis=-1)


def sparsity(model: LinearModel, *, below: float = 0.0) -> Array:
    """Return the share of each replica's kernel that is at most `below` in size, (replicas,).

    Example:
        >>> kernel = np.array([[[0.0, 0.001], [-0.5, 2.0]]])
        >>> model = LinearModel(kernel, np.zeros((1, 2)))
        >>> sparsity(model), sparsity(model, below=0.01)
        (array([0.25]), array([0.5]))
    """
    check_not_negative(below=below)
    return (np.abs(model.kernel) <= below).mean(axis=(1, 2))


def pruned(model: LinearModel, *, below: float) -> LinearModel:
    """Return the model with its kernel's entries of at most `below` in size set to 0.

    Example:
        >>> model = LinearModel(np.array([[[0.001, -0.5]]]), np.zeros((1, 2)))
        >>> pruned(model, below=0.01).kernel
        array([[[ 0. , -0.5]]])
    """
    check_not_negative(below=below)
    return LinearModel(np.where(np.abs(model.kernel) <= below, 0.0, model.kernel), model.bias)


def _glorot(rng: np.random.Generator, inputs: int, classes: int) -> Array:
    reach = np.sqrt(6 / (inputs + classes))
    return rng.uniform(-reach, reach, size=(inputs, classes))


def _batches(rngs: Sequence[np.random.Generator], count: int, batch_size: int) -> Iterator[Array]:
    """Yield each replica's examples of the next batch, shape (replicas, batch), without end."""
    while True:
        orders = np.stack([rng.permutation(count) for rng in rngs])
        for start in range(0, count, batch_size):
            yield orders[:, start : start + batch_size]


def _gradients(model: LinearModel, x: Array, targets: Array) -> LinearModel:
    """Return the gradients of the mean cross-entropy, by kernel and bias."""
    scores = np.matmul(x, model.kernel) + model.bias[:, None]
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    errors = (shares - targets) / x.shape[1]
    return LinearModel(np.matmul(x.swapaxes(1, 2), errors), errors.sum(axis=1))


def _flat(x: Array) -> Array:
    x = as_reals("x", x)
    return x.reshape(len(x), -1)
