"""What is read off predictions: accuracy, loss, loss after one temperature, error detection."""

from collections.abc import Callable

import numpy as np

from helpers.numerics import cross_entropy
from helpers.regularization.temperature import fit_temperature, temper
from helpers.regularization.uncertainty import error_detection, predictive_entropy

Array = np.ndarray
READINGS = ("accuracy", "loss", "tempered loss", "error detection")


class Predictions:
    """Probabilities of trained replicas on rows of their own, computed once, and what they say.

    Args:
        predict: From rows, shape (replicas, n), to probabilities, shape (replicas, n, classes).
        y: Labels of all examples.
        tune: Each replica's rows on which its temperature is fitted, shape (replicas, m).
        design: How they were trained, as JSON data.

    Example:
        >>> answers = np.array([[[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]]])
        >>> seen = Predictions(lambda rows: answers[:, rows[0]], np.array([0, 1, 1]),
        ...                    np.array([[0, 1]]), design="by hand")
        >>> seen.read("accuracy", np.array([[0, 1, 2]])).round(1)
        array([66.7])
    """

    def __init__(self, predict: Callable, y: Array, tune: Array, *, design: object):
        self._predict, self._kept, self.design = predict, {}, design
        self.y, self.tune = np.asarray(y), np.asarray(tune)

    def __len__(self) -> int:
        return len(self.tune)

    def on(self, rows: Array) -> Array:
        """Return the probabilities on rows, shape (replicas, n, classes)."""
        key = np.asarray(rows).tobytes()
        if key not in self._kept:
            self._kept[key] = np.asarray(self._predict(rows))
        return self._kept[key]

    def temperatures(self) -> Array:
        """Return each replica's temperature, fitted on its tune rows, shape (replicas,)."""
        pairs = zip(self.on(self.tune), self.y[self.tune], strict=True)
        return np.array([fit_temperature(own, labels) for own, labels in pairs])

    def read(self, reading: str, rows: Array) -> Array:
        """Return a reading of each replica on its rows, shape (replicas,).

        Args:
            reading: ``"accuracy"`` in percent, ``"loss"``, ``"tempered loss"`` (the loss after one
                temperature) or ``"error detection"`` (as the function of that name).
            rows: Shape (replicas, n).

        Raises:
            ValueError: There is no such reading.
        """
        if reading not in READINGS:
            raise ValueError(
                f"`reading` must be one of {', '.join(READINGS)}. Received: reading={reading!r}"
            )
        answers, labels = self.on(rows), self.y[rows]
        if reading == "accuracy":
            return 100 * np.mean(answers.argmax(axis=-1) == labels, axis=-1)
        if reading == "error detection":
            wrong = answers.argmax(axis=-1) != labels
            unsure = predictive_entropy(answers[None])
            return np.array([error_detection(u, w) for u, w in zip(unsure, wrong, strict=True)])
        if reading == "tempered loss":
            pairs = zip(answers, self.temperatures(), strict=True)
            answers = np.stack([temper(own, t) for own, t in pairs])
        return cross_entropy(answers, labels).mean(axis=-1)


class Reading:
    """One reading of predictions, as `helpers.claims.judge` takes it with `read` as its measure.

    Args:
        of: The `Predictions`.
        name: One of `READINGS`.
    """

    history = ()

    def __init__(self, of: Predictions, name: str):
        self.of, self.name = of, name

    def __len__(self) -> int:
        return len(self.of)

    @property
    def design(self) -> object:
        """What is read, and how the replicas were trained."""
        return [self.name, self.of.design]


def read(one: Reading, x: Array, y: Array, rows: Array) -> Array:
    """Return a reading on rows that judge: the measure for `helpers.claims.judge`."""
    return one.of.read(one.name, rows)
