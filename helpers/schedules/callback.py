"""1cycle as a callback of Keras, which has none."""

import keras

from helpers.schedules.cycle import one_cycle, one_cycle_momentum
from helpers.schedules.momentum import momentum_attribute, momentum_variable, stepping


class OneCycle(keras.callbacks.Callback):
    """Cycle the learning rate and the momentum of a model's optimizer once over a `fit`.

    Before each batch the rate is that of `one_cycle` and the momentum that of
    `one_cycle_momentum`, at step = epoch · steps per epoch + batch. So the cycle spans the epochs
    0 to `epochs` of `fit`, and a training that is resumed with `initial_epoch` goes on in it.
    Afterwards the momentum is as before; the rate stays where the cycle has ended. Keras tells no
    callback of a `fit` that is broken off: rate and momentum then stay where they were in the
    cycle, until a cycle begins or the model is compiled again.

    Args:
        max_learning_rate: The peak of the rate, above 0.
        initial_learning_rate: By default a tenth of the peak.
        final_learning_rate: By default a thousandth of the initial rate.
        annihilation: Share of the steps, in (0, 1), in which the rate falls to its final value.
        max_momentum: In [0, 1); None leaves the momentum alone.
        min_momentum: In [0, 1), at most `max_momentum`.

    Attributes:
        learning_rates, momenta: What was set before each batch so far, lists of floats.

    Raises:
        ValueError: An argument is out of its range; or, when `fit` begins, the optimizer has no
            momentum or has a schedule, or the number of steps is not known, or below 3.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss="mse")
        >>> cycle, x = OneCycle(0.5), keras.ops.ones((40, 2))
        >>> history = model.fit(x, x[:, 0], batch_size=4, epochs=2, callbacks=[cycle], verbose=0)
        >>> [round(rate, 3) for rate in cycle.learning_rates[:4]], round(cycle.momenta[-1], 2)
        ([0.05, 0.103, 0.155, 0.208], 0.95)

    Smith (2018), "A disciplined approach to neural network hyper-parameters: Part 1".
    """

    def __init__(
        self,
        max_learning_rate: float,
        *,
        initial_learning_rate: float | None = None,
        final_learning_rate: float | None = None,
        annihilation: float = 0.1,
        max_momentum: float | None = 0.95,
        min_momentum: float = 0.85,
    ):
        super().__init__()
        self._rate_options = {
            "max_learning_rate": max_learning_rate,
            "initial_learning_rate": initial_learning_rate,
            "final_learning_rate": final_learning_rate,
            "annihilation": annihilation,
        }
        self._momentum_options = None
        if max_momentum is not None:
            self._momentum_options = {
                "max_momentum": max_momentum,
                "min_momentum": min_momentum,
                "annihilation": annihilation,
            }
        self._schedules(steps=3)  # a wrong argument is told here, not when `fit` begins
        self.learning_rates: list[float] = []
        self.momenta: list[float] = []

    def on_train_begin(self, logs=None):
        """Lay the cycle over the steps of this `fit`; refuse what it cannot drive."""
        self._steps = self._checked_steps()
        self._rate, self._momentum = self._schedules(steps=self._steps * self.params["epochs"])
        self._epoch, self._variable = 0, None
        if self._momentum is not None:
            optimizer = stepping(self.model.optimizer)
            new = "_momentum_variable" not in vars(optimizer)
            self._variable = momentum_variable(optimizer)
            if new:  # a step that was compiled before holds the momentum as a constant
                self.model.make_train_function(force=True)

    def on_epoch_begin(self, epoch, logs=None):
        """Take note of the epoch, as `fit` counts it."""
        self._epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        """Set rate and momentum of the step."""
        step = self._epoch * self._steps + batch
        self.learning_rates.append(float(self._rate(step)))
        self.model.optimizer.learning_rate = self.learning_rates[-1]
        if self._variable is not None:
            self.momenta.append(float(self._momentum(step)))
            self._variable.assign(self.momenta[-1])

    def on_epoch_end(self, epoch, logs=None):
        """Put the last rate and momentum into the history."""
        if logs is not None:
            logs["learning_rate"] = self.learning_rates[-1]
            if self._variable is not None:
                logs["momentum"] = self.momenta[-1]

    def on_train_end(self, logs=None):
        """Give the optimizer its own momentum back."""
        if self._variable is not None:
            optimizer = stepping(self.model.optimizer)
            self._variable.assign(getattr(optimizer, momentum_attribute(optimizer)))

    def _schedules(self, *, steps: int):
        rate = one_cycle(steps=steps, **self._rate_options)
        if self._momentum_options is None:
            return rate, None
        return rate, one_cycle_momentum(steps=steps, **self._momentum_options)

    def _checked_steps(self) -> int:
        """Return the steps of an epoch; refuse a `fit` in which the cycle would be wrong."""
        optimizer, steps = stepping(self.model.optimizer), self.params.get("steps")
        schedule = keras.optimizers.schedules.LearningRateSchedule
        if isinstance(getattr(optimizer, "_learning_rate", None), schedule):
            raise ValueError(
                "the optimizer must have a constant rate, which the callback can set. Received: "
                f"{type(optimizer._learning_rate).__name__}"
            )
        if steps is None:
            raise ValueError(
                "the number of steps in an epoch must be known: pass `steps_per_epoch` to `fit`. "
                "Received: data of unknown length"
            )
        if self.model.steps_per_execution != 1:
            raise ValueError(
                "the model must run one step at a time, `steps_per_execution=1`. "
                f"Received: steps_per_execution={self.model.steps_per_execution}"
            )
        if self._momentum_options is not None:
            momentum_attribute(optimizer)
        return steps
