"""Averaging the weights of several epochs, as a callback of Keras."""

import math

import keras
import numpy as np

from helpers.checks import check_count


class AverageEpochs(keras.callbacks.Callback):
    """Stochastic weight averaging: the mean of the weights at the ends of the last epochs.

        w̄ = (w_a + w_{a+1} + … + w_E) / (E − a + 1)

    The model gets the mean when training ends. Training itself is not touched. Statistics of batch
    normalization are averaged as well; those of the averaged net would be better.

    Args:
        first: The first epoch whose end is counted, from 0 as `fit` does.

    Raises:
        TypeError: `first` is not an integer.
        ValueError: It is negative; or training is to end before it, or is stopped before.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
        >>> model.compile(keras.optimizers.SGD(0.1), "mse")
        >>> average = AverageEpochs(2)
        >>> x = np.ones((4, 1))
        >>> _ = model.fit(x, x, epochs=5, callbacks=[average], verbose=0)
        >>> average.count
        3

    Izmailov et al. (2018), "Averaging weights leads to wider optima and better generalization".
    """

    def __init__(self, first: int):
        super().__init__()
        check_count(0, first=first)
        self.first, self.count, self._mean = first, 0, None

    def on_train_begin(self, logs=None):
        """Begin anew; refuse a training that is too short before it begins."""
        if (self.params or {}).get("epochs", math.inf) <= self.first:
            self._refuse()
        self.count, self._mean = 0, None

    def on_epoch_end(self, epoch, logs=None):
        """Take the weights into the mean."""
        if epoch < self.first:
            return
        weights = [np.asarray(w, np.float64) for w in self.model.get_weights()]
        self.count += 1
        if self._mean is None:
            self._mean = weights
        else:
            pairs = zip(self._mean, weights, strict=True)
            self._mean = [mean + (w - mean) / self.count for mean, w in pairs]

    def on_train_end(self, logs=None):
        """Put the mean into the model."""
        if self._mean is None:
            self._refuse()
        self.model.set_weights(self._mean)  # each in its own type

    def _refuse(self):
        raise ValueError(f"`first` must be an epoch that is trained. Received: first={self.first}")
