"""What a body sees, and heads that read it instead of images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from helpers.checks import as_labels, as_reals
from helpers.transfer.tasks import one_axis

Array = NDArray[np.floating]
Features = Callable[[NDArray[np.integer]], Array]


@dataclass(frozen=True, eq=False)
class OnFeatures:
    """Trained replicas that read features, to be judged as if they read images.

    Attributes:
        trained: Replicas whose inputs are features.
        features: From rows, shape (replicas, n), to features, shape (replicas, n, ...).
    """

    trained: object
    features: Features

    def __len__(self) -> int:
        return len(self.trained)

    @property
    def history(self) -> dict:
        """The replicas' history."""
        return self.trained.history

    @property
    def design(self) -> dict:
        """The replicas' design."""
        return self.trained.design

    def evaluate(self, x, y, *, rows) -> dict[str, Array]:
        """Return loss and metrics of each replica on its own rows of the images."""
        inputs, own = as_inputs(self.features(rows))
        return self.trained.evaluate(inputs, np.asarray(y)[rows].ravel(), rows=own)


def as_inputs(features: Array) -> tuple[Array, NDArray[np.integer]]:
    """Return each replica's own features below one another, and the rows that are its own.

    Args:
        features: Shape (replicas, n, ...).

    Example:
        >>> x, rows = as_inputs(np.zeros((2, 3, 5)))
        >>> x.shape, rows.tolist()
        ((6, 5), [[0, 1, 2], [3, 4, 5]])
    """
    replicas, n, *rest = features.shape
    return features.reshape(replicas * n, *rest), np.arange(replicas * n).reshape(replicas, n)


class RidgeProbe:
    """The best linear head on features, in closed form, for each replica.

    With the features F of the training images, less their mean, and Y, one column a class, less
    its mean, the head is the minimum of ‖F W − Y‖² + λ‖W‖², which gives an image the scores

        f Fᵀ (F Fᵀ + λ I)⁻¹ Y + mean(Y).

    There are no steps and no rate; λ, in units of the mean square length of a row of F, is the one
    that makes the fewest errors on the tune rows, over all replicas.

    Attributes:
        strengths: The λ that were tried.
        tune_accuracy: On the tune rows, shape (strengths, replicas).
        strength: The λ that was chosen.

    Example:
        >>> x = np.array([[-1.0], [1.0], [-2.0], [2.0]])
        >>> probe = RidgeProbe(lambda rows: x[rows], np.array([0, 1, 0, 1]),
        ...                    train=[[0, 1]], tune=[[2, 3]])
        >>> probe.tune_accuracy[0].tolist()
        [1.0]

    Reference:
        Hoerl and Kennard (1970), Ridge regression.
    """

    def __init__(
        self,
        features: Features,
        y: np.ndarray,
        *,
        train: np.ndarray,
        tune: np.ndarray,
        strengths: Sequence[float] = (1e-4, 1e-3, 1e-2, 0.1, 1.0),
    ):
        """Fit a head for each replica.

        Args:
            features: As for `OnFeatures`.
            y: Labels of all images, classes from 0 on, shape (images,) or (images, 1).
            train: Each replica's rows to train on, shape (replicas, n).
            tune: Each replica's rows to choose λ on.
            strengths: Values of λ, above 0.

        Raises:
            TypeError: `y` or `strengths` holds no real numbers.
            ValueError: A strength is not above 0, or there is none; a label is no class; or a
                feature is not finite.
        """
        tried = as_reals("strengths", strengths).tolist()
        if np.ndim(tried) != 1 or not tried or not min(tried) > 0:
            raise ValueError(
                f"`strengths` must be one or more, above 0. Received: strengths={tried}"
            )
        self.strengths = tuple(tried)
        labels = as_reals("y", one_axis(y), kinds="biuf", dtype=None, ndim=1)
        self._features, self._train = features, np.asarray(train)
        used = labels[np.append(train, tune)]  # others may have none, as −1 says
        as_labels("y", used, int(labels.max()) + 1)
        self._y = labels.astype(int, copy=False)
        self._fit(np.asarray(tune))

    def _fit(self, tune: np.ndarray) -> None:
        targets = np.eye(self._y.max() + 1)[self._y[self._train]]
        self._middle = targets.mean(axis=1, keepdims=True)
        seen = _flat(self._features(self._train))
        if not np.isfinite(seen).all():
            raise ValueError(
                "`features` must be finite on the train rows. "
                f"Received: {1 - np.isfinite(seen).mean():.1%} of them are not"
            )
        self._mean = seen.mean(axis=1, keepdims=True)
        self._seen = seen - self._mean
        values, vectors = np.linalg.eigh((self._seen @ self._seen.mT).astype(np.float64))
        mixed = vectors.mT @ (targets - self._middle)
        # At equal scale of the features, whatever the body: relative to their mean square.
        scale = values.mean(axis=1)[:, None]
        scale = np.where(scale > 0, scale, 1.0)  # features that are all alike: the mean of Y
        self._duals = np.stack(
            [vectors @ (mixed / (values + s * scale)[..., None]) for s in self.strengths]
        )
        self.tune_accuracy = self._accuracy(tune, self._duals)
        self._best = int(self.tune_accuracy.mean(axis=1).argmax())
        self.strength = self.strengths[self._best]
        self.history = {"accuracy": self.tune_accuracy[self._best][:, None]}

    def _accuracy(self, rows: np.ndarray, duals: Array) -> Array:
        new = _flat(self._features(rows)) - self._mean
        scores = (new @ self._seen.mT) @ duals + self._middle
        return (scores.argmax(axis=-1) == self._y[rows]).mean(axis=-1)

    def __len__(self) -> int:
        return len(self._train)

    @property
    def design(self) -> dict:
        """How the heads were fitted, as JSON data."""
        shape = [*self._train.shape, self._seen.shape[-1]]
        return {"ridge": list(self.strengths), "train": shape}

    def evaluate(self, x, y, *, rows) -> dict[str, Array]:
        """Return each replica's accuracy on rows of its own."""
        return {"accuracy": self._accuracy(np.asarray(rows), self._duals[self._best])}


def _flat(features: Array) -> Array:
    return np.asarray(features, np.float32).reshape(*features.shape[:2], -1)
