"""Training in stages: first the head on frozen layers, then more; each at its best rate."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from helpers.transfer.stacks import Array, Weights, evaluate, fit_stack


class Stage(NamedTuple):
    """A part of a training.

    Attributes:
        epochs: Passes over the examples.
        frozen: Number of frozen layers, counted from the lowest.
        factor: What the learning rate is multiplied by.
    """

    epochs: int
    frozen: int = 0
    factor: float = 1.0


class Outcome(NamedTuple):
    """What came of an arm at its best learning rate.

    Attributes:
        loss: On the evaluation images, shape (replicas,), the geometric mean over draws of the
            labels: the losses of a lucky and an unlucky draw are far apart.
        accuracy: Likewise, the mean over draws.
        rate: The learning rate.
    """

    loss: Array
    accuracy: Array
    rate: float


def fit_stages(
    weights: Weights,
    x: Array,
    y: Array,
    stages: Sequence[Stage],
    *,
    learning_rate: float,
    seeds: Sequence[int],
    batch_size: int = 32,
) -> list[Array]:
    """Train a stack of networks stage after stage; return its new weights.

    Args:
        weights: A stack of networks.
        x: Inputs, shape (replicas, n, features).
        y: Labels, shape (replicas, n).
        stages: In their order.
        learning_rate: Of a stage whose factor is 1.
        seeds: One for each replica.
        batch_size: Examples a step.

    Raises:
        ValueError: There is no stage.

    Example:
        >>> stack = [np.zeros((1, 1, 2)), np.zeros((1, 2))]
        >>> data = np.ones((1, 1, 1)), np.array([[0]])
        >>> plan = [Stage(1), Stage(0, factor=0.1)]
        >>> fit_stages(stack, *data, plan, learning_rate=1.0, seeds=[0])[1]
        array([[ 0.5, -0.5]])
    """
    if not stages:
        raise ValueError("`stages` must hold at least one stage. Received: none")
    done = 0
    for stage in stages:
        weights = fit_stack(
            weights,
            x,
            y,
            learning_rate=learning_rate * stage.factor,
            epochs=stage.epochs,
            first_epoch=done,
            seeds=seeds,
            batch_size=batch_size,
            frozen=stage.frozen,
        )
        done += stage.epochs
    return list(weights)


def best_of_rates(
    weights: Weights,
    stages: Sequence[Stage],
    *,
    labelled,
    evaluation: tuple[Array, Array],
    learning_rates: Sequence[float],
    replicas: int,
    seeds: Sequence[int],
    batch_size: int = 32,
) -> Outcome:
    """Train at each learning rate; return what the best one gave, the draws of labels averaged.

    Args:
        weights: A stack of networks: all replicas with the first draw, then with the second, ….
        stages: As for `fit_stages`.
        labelled: The `LabelledImages` to train on, for each network.
        evaluation: Inputs, shape (n, features) or (networks, n, features), and labels (n,).
        learning_rates: To choose from, by the mean loss on `evaluation`.
        replicas: Number of values that come back; a divisor of the number of networks.
        seeds: One for each network.
        batch_size: Examples a step.

    Raises:
        ValueError: `replicas` is no divisor, or every rate diverged.

    Example:
        >>> from helpers.transfer.tasks import LabelledImages
        >>> stack = [np.zeros((2, 1, 2)), np.zeros((2, 2))]
        >>> x, y = np.ones((2, 1, 1)), np.array([[0], [0]])
        >>> one = best_of_rates(stack, [Stage(1)], labelled=LabelledImages(y, x, y),
        ...                     evaluation=(x[0], y[0]), learning_rates=[0.1, 1.0], replicas=1,
        ...                     seeds=[0, 1])
        >>> one.rate, one.accuracy
        (1.0, array([1.]))
    """
    if replicas < 1 or len(seeds) % replicas:
        raise ValueError(
            f"`replicas` must be a divisor of {len(seeds)}, the number of networks. "
            f"Received: replicas={replicas}"
        )
    x = labelled.x.reshape(*labelled.y.shape, -1)
    found = {}
    for rate in learning_rates:
        options = {"learning_rate": rate, "seeds": seeds, "batch_size": batch_size}
        trained = fit_stages(weights, x, labelled.y, stages, **options)
        seen = evaluate(trained, *evaluation)
        loss, accuracy = (seen[name].reshape(-1, replicas) for name in ("loss", "accuracy"))
        found[rate] = Outcome(np.exp(np.log(loss).mean(axis=0)), accuracy.mean(axis=0), rate)
    return found[best_rate({rate: outcome.loss for rate, outcome in found.items()})]


def best_rate(losses: Mapping[float, Array]) -> float:
    """Return the learning rate with the least mean loss; one that diverged has none.

    Args:
        losses: Learning rate → final loss of each replica.

    Raises:
        ValueError: There is no rate, or all diverged.

    Example:
        >>> best_rate({0.1: np.array([0.4, 0.2]), 1.0: np.array([0.1, np.inf])})
        0.1
    """
    means = {rate: float(np.mean(values)) for rate, values in losses.items()}
    finite = {rate: mean for rate, mean in means.items() if np.isfinite(mean)}
    if not finite:
        raise ValueError(f"`losses` must hold a rate that does not diverge. Received: {means}")
    return min(finite, key=finite.get)


def best_arms(
    fit: Callable,
    arms: Mapping[str, Sequence[Callable]],
    *,
    learning_rates: Sequence[float],
    seed: int,
    **options,
) -> dict[str, Array]:
    """Train arms that differ in initial weights alone, each at every rate, as one stack.

    Args:
        fit: `helpers.replicas.fit_replicas`, or a `functools.partial` of it.
        arms: Name → a function for each replica that builds its model.
        learning_rates: To choose from, by the mean validation loss after the last epoch.
        seed: Replica k of each arm uses seed + k.
        **options: Passed on to `fit`.

    Returns:
        Name → each replica's last validation loss at the arm's best rate, shape (replicas,).

    Raises:
        ValueError: `arms` is empty or of unequal lengths, or every rate of an arm diverged.

    Reference:
        The same choice as in `best_of_rates`, for models that Keras trains.
    """
    replicas = {len(builds) for builds in arms.values()}
    if len(replicas) != 1 or 0 in replicas:
        raise ValueError(
            "`arms` must hold equally many builds each, at least one. "
            f"Received: { {name: len(builds) for name, builds in arms.items()} }"
        )
    (each,) = replicas
    trained = fit(
        [build for builds in arms.values() for _ in learning_rates for build in builds],
        replicas=each * len(learning_rates) * len(arms),
        seed=[seed + k for k in range(each)] * (len(learning_rates) * len(arms)),
        learning_rates=np.tile(np.repeat(learning_rates, each), len(arms)),
        **options,
    )
    final = trained.history["val_loss"][:, -1].reshape(len(arms), len(learning_rates), each)
    by_rate = {
        name: dict(zip(learning_rates, losses, strict=True))
        for name, losses in zip(arms, final, strict=True)
    }
    return {name: losses[best_rate(losses)] for name, losses in by_rate.items()}
