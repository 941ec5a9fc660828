"""What `fit_replicas` returns."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import keras
import numpy as np

from helpers.replicas.as_model import as_model
from helpers.replicas.building import Build
from helpers.replicas.design import design_of
from helpers.replicas.examples import examples, resolve_rows
from helpers.replicas.forward import EVALUATION_CHUNK
from helpers.replicas.options import check_counts, is_whole
from helpers.replicas.predicting import check_samples, position_of, predict
from helpers.replicas.state import some, stacked_weights


@dataclass(frozen=True, eq=False)
class Replicas:
    """Trained replicas of one model.

    Attributes:
        history: Name → shape (replicas, epochs): ``loss``, the metrics, and the same with
            ``val_``. NaN means that a replica diverged; what a replica that was stopped did not
            train is masked (`numpy.ma`).
        steps: Name → shape (replicas, steps): what was watched.
        seeds: The seed of each replica.
        builds: The function that built each replica.
        stopped_at: Shape (replicas,): the epoch after which a callback stopped a replica, counted
            from 1 at epoch 0, whatever `initial_epoch` was; 0 for one that ran to the end.

    Example:
        >>> from helpers import data, models
        >>> from helpers.replicas import fit_replicas
        >>> digits = data.load("digits", train_size=200)
        >>> build = lambda: models.mlp(digits.image_shape, 10, hidden=[16])
        >>> trained = fit_replicas(build, digits, optimizer="adam", epochs=1, replicas=3,
        ...                        loss="sparse_categorical_crossentropy")
        >>> trained.predict(digits.x_valid[:5]).shape, trained[1:].fit(epochs=1).seeds
        ((3, 5, 10), (1, 2))
    """

    history: dict[str, np.ndarray]
    steps: dict[str, np.ndarray]
    seeds: tuple[int, ...]
    builds: tuple[Build, ...]
    stopped_at: np.ndarray
    _start: object = field(repr=False)  # a State
    _state: object = field(repr=False)  # a State
    _program: object = field(repr=False)  # the Program that trained them
    # What they were trained with, to go on, and what that came to for each.
    _settings: dict = field(repr=False)

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, which) -> "Replicas":
        """Return some of the replicas: by an index, a slice, indices or a mask."""
        try:
            kept = np.atleast_1d(np.arange(len(self))[which])
        except IndexError:
            kept = np.zeros((0, 0))
        if kept.ndim > 1 or isinstance(which, bool):
            raise IndexError(
                f"replicas are taken by an index from 0 to {len(self) - 1}, a slice, indices or a "
                f"mask. Received: {which!r}"
            )
        numbers = kept
        if len(kept) and (np.diff(kept) == 1).all():
            kept = slice(int(kept[0]), int(kept[-1]) + 1)  # a view, not a copy
        pick = lambda values: np.asanyarray(values)[kept]  # noqa: E731
        return replace(
            self,
            history={name: pick(values) for name, values in self.history.items()},
            steps={name: pick(values) for name, values in self.steps.items()},
            seeds=tuple(self.seeds[k] for k in numbers),
            builds=tuple(self.builds[k] for k in numbers),
            stopped_at=self.stopped_at[kept],
            _start=some(self._start, kept),
            _state=some(self._state, kept),
            _settings=_some_settings(self._settings, numbers),
        )

    @cached_property
    def weights(self) -> tuple[np.ndarray, ...]:
        """Trained weights, in the order of `model.get_weights()`, each with a leading axis."""
        return tuple(stacked_weights(self._program, self._state))

    @cached_property
    def initial_weights(self) -> tuple[np.ndarray, ...]:
        """The weights that training started from, as `weights`."""
        return tuple(stacked_weights(self._program, self._start))

    @property
    def initial(self) -> "Replicas":
        """The replicas as they were before training, without a history."""
        return replace(
            self,
            history={},
            steps={},
            stopped_at=np.zeros_like(self.stopped_at),
            _state=self._start,
            _settings=self._settings | {"rates": self._settings["start_rates"]},
        )

    @property
    def design(self) -> dict:
        """How the replicas were trained, as JSON data: layers, optimizer, epochs and their like.

        Rates that each replica has for itself are left out: a search finds them.
        """
        return design_of(self._program.model, len(self), self._settings)

    @property
    def epochs_run(self) -> np.ndarray:
        """The number of epochs that each replica trained for, shape (replicas,)."""
        if not self.history:  # they are as they were before training
            return np.zeros(len(self), int)
        loss = self.history["loss"]
        return np.where(self.stopped_at > 0, (~np.ma.getmaskarray(loss)).sum(axis=1), loss.shape[1])

    def model(self, replica: int) -> keras.Model:
        """Return one replica as an ordinary Keras model, compiled with a fresh optimizer.

        The optimizer has the replica's own numbers, but for those that are functions of the step;
        an infinite threshold is none.

        Raises:
            ValueError: There is no replica of that number.
        """
        count = len(self)
        if not is_whole(replica) or not -count <= replica < count:
            raise ValueError(
                f"`replica` must be a whole number from 0 to {count - 1}. Received: {replica!r}"
            )
        one = self[replica]
        return as_model(one.builds[0], one.seeds[0], one._state, self._program, one._settings)

    def predict(
        self,
        x,
        *,
        rows=None,
        training: bool = False,
        batch_size: int = EVALUATION_CHUNK,
        layer: str | int | None = None,
        samples: int | None = None,
    ) -> np.ndarray:
        """Return every replica's outputs, shape (replicas, n, ...).

        Args:
            x: Inputs, nested as the model's.
            rows: Each replica's own rows of `x`, shape (replicas, n).
            training: Whether layers are in the mode of training: batch normalization takes the
                statistics of the batch, dropout drops. What drops is the same in each call, which
                leaves the replicas as they are; for other draws take `samples`.
            batch_size: Examples at a time, which in training mode are a batch; the last may be
                smaller.
            layer: Name or position of a layer whose outputs are wanted instead.
            samples: Number of Monte Carlo predictions: dropout drops, all other layers stay in
                inference mode. The shape is then (replicas, samples, n, ...). Another call draws
                the same ones.

        Raises:
            ValueError: There is no such layer, nothing drops, a number is out of range, or the
                inputs do not fit the model.
            TypeError: The inputs are no arrays.

        Reference:
            Gal and Ghahramani (2016), Dropout as a Bayesian approximation (for `samples`).
        """
        check_counts(batch_size=batch_size)
        found = examples(x, x, name="x").x
        self._program.forward.check((found,), "x")
        model, names = self._program.model, self._settings["names"]
        position = None if layer is None else position_of(layer, model, names)
        rows = resolve_rows(rows, len(self), len(keras.tree.flatten(found)[0]), name="rows")
        if samples is not None:
            check_samples(samples, model, training=training)
        outputs, state = [], self._state
        for _ in range(samples or 1):
            one, others = predict(
                self._program.forward,
                state,
                found,
                rows,
                self._settings["numbers"].layers,
                batch_size=int(batch_size),
                training=bool(training),
                layer=position,
                drops=samples is not None,
            )
            state = state._replace(others=others)
            outputs.append(one)
        if samples is None:
            return outputs[0]
        return keras.tree.map_structure(lambda *parts: np.stack(parts, axis=1), *outputs)

    def evaluate(self, x, y=None, *, rows=None, sample_weight=None, batch_size: int = 32) -> dict:
        """Return loss and metrics of every replica in inference mode, each (replicas,).

        Args:
            x: Inputs, arrays nested as the model's; no data set.
            y: Targets.
            sample_weight: As `model.evaluate` takes it.
            rows: Each replica's own rows of these, shape (replicas, n).
            batch_size: Examples at a time, which matters to losses that are no mean over examples.
                Where all are means, more are taken at a time: a layer whose outputs depend on the
                other examples of a batch in inference, too, sees these.

        Raises:
            ValueError: The data do not fit the model, the loss and the metrics, or a number is
                out of range.
            TypeError: The data are no arrays.
        """
        check_counts(batch_size=batch_size)
        found = examples(x, y, sample_weight)
        self._program.forward.check(found, "x")
        rows = resolve_rows(rows, len(self), len(found), name="rows")
        compiled = self._program.compiled
        numbers = self._settings["numbers"].layers
        values, _ = self._program.forward.evaluate(
            self._state, tuple(found), rows, numbers, batch_size
        )
        return {name: one.numpy() for name, one in zip(compiled.names, values, strict=True)}

    def fit(self, epochs: int, **changes) -> "Replicas":
        """Go on for so many epochs more: weights, optimizers, orders of examples and all.

        Args:
            epochs: Number of further passes, at least 1.
            **changes: Arguments of `fit_replicas` that are to be others from now on: any but
                those that say which replicas they are and where they start.

        Returns:
            The `Replicas` as they are then; histories hold the further epochs.

        Raises:
            ValueError: Replicas were stopped at different epochs; and as `fit_replicas`.
            TypeError: There is no such argument; and as `fit_replicas`.
        """
        return self._settings["go_on"](self, epochs, changes)


def _some_settings(settings: dict, kept: np.ndarray) -> dict:
    numbers = settings["numbers"]
    some = numbers._replace(
        rates=[numbers.rates[k] for k in kept],
        optimizer={name: values[..., kept] for name, values in numbers.optimizer.items()},
        layers={name: values[kept] for name, values in numbers.layers.items()},
    )
    lists = {n: [settings[n][k] for k in kept] for n in ("rates", "start_rates", "names")}
    return settings | lists | {"numbers": some, "kept": settings["kept"][kept]}
