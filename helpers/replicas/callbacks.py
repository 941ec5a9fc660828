"""Keras' own callbacks for each replica: what they see, and what they may change."""

from collections.abc import Callable, Sequence

import keras
import numpy as np

from helpers.replicas.checks import accepts

# Hooks within an epoch, which runs as one computation.
WITHIN = (
    *("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end"),
    *("on_test_begin", "on_test_end", "on_test_batch_begin", "on_test_batch_end"),
    *("on_predict_begin", "on_predict_end", "on_predict_batch_begin", "on_predict_batch_end"),
)
OFFERED = (
    "stop_training, get_weights, set_weights, weights' values, optimizer.learning_rate, metrics"
)


class RowOptimizer:
    """What a callback sees of a replica's optimizer: its learning rate."""

    def __init__(self, rate: float | np.ndarray):
        self._rate = rate

    @property
    def learning_rate(self):
        """The replica's rate, where it is a number and no function of the step."""
        if not np.isscalar(self._rate):
            raise TypeError(
                "the learning rate is a function of the step here, which a callback can neither "
                "read nor set. Received: optimizer.learning_rate"
            )
        return np.float32(self._rate)

    @learning_rate.setter
    def learning_rate(self, rate):
        _ = self.learning_rate  # refused where it is a function
        rate = float(rate)
        if not 0 <= rate < np.inf:
            raise ValueError(
                f"a callback must set a learning rate of 0 or more. Received: learning_rate={rate}"
            )
        self._rate = rate

    def __getattr__(self, name):
        raise AttributeError(
            f"a replica's optimizer has only `learning_rate`. Received: optimizer.{name}"
        )


class RowModel:
    """What a callback sees of the model that one replica is.

    Args:
        replica: Its number.
        weights: Returns its weights as they are, in the order of `get_weights()`.
        rate: Its learning rate.
        metrics: The metrics of all replicas, by which Keras knows whether high is good.
    """

    def __init__(self, replica: int, weights: Callable, rate, metrics: Sequence[keras.Metric]):
        self.replica = replica
        self.stop_training = False
        self.optimizer = RowOptimizer(rate)
        self.metrics = list(metrics)
        self.new_weights: list[np.ndarray] | None = None
        self._weights = weights

    def get_weights(self) -> list[np.ndarray]:
        """Return the replica's weights."""
        if self.new_weights is not None:
            return [np.array(one) for one in self.new_weights]
        return [np.array(one) for one in self._weights(self.replica)]

    def set_weights(self, weights) -> None:
        """Set the replica's weights; they hold from the next epoch on."""
        own = [one.shape for one in self.get_weights()]
        given = [np.shape(one) for one in weights]
        if own != given:
            raise ValueError(f"a callback must set weights of the shapes {own}. Received: {given}")
        self.new_weights = [np.asarray(one) for one in weights]

    def __getattr__(self, name):
        raise AttributeError(f"a callback of a replica can use {OFFERED}. Received: model.{name}")


class Callbacks:
    """The callbacks of all replicas.

    Args:
        make: From a replica's number to its callbacks, or None.
        replicas: How many.
        names: What a history will hold.
        weights: From a replica's number to its weights.
        rates: Each replica's rate: a number, or a table of the steps.
        metrics: Of the program.
        params: What Keras tells callbacks: ``epochs``, ``steps``, ``verbose``.
        finish: Called with the number of a replica that is about to stop.

    Raises:
        TypeError: What `make` returns are no callbacks.
        ValueError: A callback wants what a replica does not have.
    """

    def __init__(self, make, replicas: int, *, names, weights, rates, metrics, params, finish):
        self.finish = finish
        self.models = [RowModel(k, weights, rates[k], metrics) for k in range(replicas)]
        self.lists = [] if make is None else [_checked(make(k), k, names) for k in range(replicas)]
        seen: dict[int, int] = {}
        for k, own in enumerate(self.lists):
            for one in own:
                if seen.setdefault(id(one), k) != k:
                    raise ValueError(
                        "`callbacks` must make new ones for each replica: a callback remembers "
                        f"what it saw. Received: the same {type(one).__name__} for replicas "
                        f"{seen[id(one)]} and {k}"
                    )
                one.set_params(params)
                one.set_model(self.models[k])
        # The epoch, counted from 1, after which a replica was stopped; 0 as long as it runs.
        self.stopped = np.zeros(replicas, int)

    def __bool__(self):
        return any(self.lists)

    @property
    def rates(self) -> list:
        """Each replica's rate, as callbacks left it."""
        return [one.optimizer._rate for one in self.models]

    def begin(self) -> None:
        """Tell all that training begins."""
        self._each("on_train_begin", None)

    def begin_epoch(self, epoch: int) -> None:
        """Tell the running ones that an epoch begins."""
        self._each("on_epoch_begin", epoch)
        for one in self.models:
            if one.stop_training and not self.stopped[one.replica]:
                raise ValueError(
                    "a callback must stop training at the end of an epoch: at its beginning, "
                    "`model.fit` would train one more batch. Received: stop_training=True before "
                    f"epoch {epoch} of replica {one.replica}"
                )

    def end_epoch(self, epoch: int, seen: dict[str, np.ndarray]) -> dict:
        """Show each running replica its own figures; return them as its callbacks left them.

        Args:
            epoch: Counted from 0.
            seen: Name → (replicas,).

        Returns:
            Name → (replicas,), what callbacks added among them; NaN where one did not say.
        """
        found = {name: np.array(values) for name, values in seen.items()}
        for k, own in enumerate(self.lists):
            if self.stopped[k]:
                continue
            logs = _logs(seen, k)
            for one in own:
                one.on_epoch_end(epoch, logs)
            _record(found, logs, k)
            if self.models[k].stop_training:
                self.stopped[k] = epoch + 1
                self.finish(k)
                for one in own:
                    one.on_train_end(_logs(seen, k))
        return found

    def end(self, seen: dict[str, np.ndarray]) -> None:
        """Tell those that ran to the end that training ends."""
        for k, own in enumerate(self.lists):
            if not self.stopped[k]:
                for one in own:
                    one.on_train_end(_logs(seen, k))

    def _each(self, hook: str, epoch: int | None) -> None:
        for k, own in enumerate(self.lists):
            for one in own if not self.stopped[k] else ():
                getattr(one, hook)(*([] if epoch is None else [epoch]), {})


def _logs(seen: dict[str, np.ndarray], replica: int) -> dict:
    """Return a replica's figures as Keras shows them: numbers, arrays where a metric gives some."""
    own = {name: values[replica] for name, values in seen.items()}
    return {name: value if np.ndim(value) else float(value) for name, value in own.items()}


def _record(found: dict[str, np.ndarray], logs: dict, replica: int) -> None:
    """Write into `found` what a replica's callbacks left in its logs, as Keras' history does."""
    replicas = len(found["loss"])
    for name in dict.fromkeys([*found, *logs]):
        value = logs.get(name, np.nan)
        column = found.setdefault(name, np.full(replicas, np.nan))
        try:
            column[replica] = value
        except (TypeError, ValueError) as error:
            raise ValueError(
                "a callback must put numbers into the logs of an epoch. "
                f"Received: logs[{name!r}]={value!r}"
            ) from error


def check_maker(callbacks) -> None:
    """Refuse what makes no callbacks from a replica's number."""
    kind = isinstance(callbacks, type)
    if callbacks is None or (callable(callbacks) and not kind and accepts(callbacks, 0)):
        return
    raise TypeError(
        "`callbacks` must be a function from a replica's number to Keras callbacks for it, made "
        "anew, as `lambda replica: [keras.callbacks.EarlyStopping()]`. "
        f"Received: callbacks={callbacks!r}"
    )


def _checked(callbacks, replica: int, names) -> list[keras.callbacks.Callback]:
    """Return a replica's callbacks; refuse what wants more than a replica has."""
    callbacks = keras.tree.flatten(callbacks or [])
    for one in callbacks:
        if not isinstance(one, keras.callbacks.Callback):
            raise TypeError(
                "`callbacks` must give Keras callbacks for a replica's number. "
                f"Received: {type(one).__name__} for replica {replica}"
            )
        within = [name for name in WITHIN if _overrides(one, name)]
        if within:
            raise ValueError(
                "a callback of a replica is asked at epochs; watch steps with `watch`, and set "
                "rates by the step with a function in `each`. "
                f"Received: {type(one).__name__} with {', '.join(within)}"
            )
        monitor = getattr(one, "monitor", None)
        if isinstance(monitor, str) and monitor not in names:
            raise ValueError(
                f"a callback must monitor one of {', '.join(names)}. "
                f"Received: {type(one).__name__} with monitor={monitor!r}"
            )
    return callbacks


def _overrides(callback: keras.callbacks.Callback, name: str) -> bool:
    """Return whether a callback has a hook of its own, in its class or set on itself."""
    hook = getattr(getattr(callback, name), "__func__", None)
    return hook is not getattr(keras.callbacks.Callback, name)
