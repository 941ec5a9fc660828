"""Train replicas of one model."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import keras
import numpy as np

from helpers.replicas import examples, options
from helpers.replicas.agreement import check_indices
from helpers.replicas.building import Build, Made, Stacked, kept_random_state, stacked
from helpers.replicas.callbacks import check_maker
from helpers.replicas.checks import check_optimizer
from helpers.replicas.each import Numbers, resolve_each
from helpers.replicas.forward import State
from helpers.replicas.going_on import arguments, continued, rates_left, steps_done
from helpers.replicas.keeping import program_for
from helpers.replicas.numbers import check_numbers
from helpers.replicas.program import Program
from helpers.replicas.result import Replicas
from helpers.replicas.settings import check_names
from helpers.replicas.signature import check_known
from helpers.replicas.state import laid_out, with_weights
from helpers.replicas.training import Outcome, Plan, train


def fit_replicas(
    build: Build | Sequence[Build],
    x,
    y=None,
    *,
    optimizer: str | keras.Optimizer,
    loss,
    epochs: int,
    batch_size: int = 32,
    validation_data=None,
    rows=None,
    validation_rows=None,
    replicas: int = 8,
    seed: int | Sequence[int] = 0,
    metrics: Sequence = (),
    weighted_metrics: Sequence = (),
    loss_weights=None,
    sample_weight=None,
    class_weight: Mapping[int, float] | None = None,
    start: Sequence[np.ndarray] | Replicas | None = None,
    initial_epoch: int = 0,
    each: Mapping[str, object] | None = None,
    watch: Mapping[str, Callable] | None = None,
    callbacks: Callable[[int], Sequence[keras.callbacks.Callback]] | None = None,
    **unknown,
) -> Replicas:
    """Train independent replicas of a model as one stacked computation.

    Replica k equals `model.fit` on the model that `build` returns after
    `keras.utils.set_random_seed(seed + k)`, with the batches of `batch_order(seed + k, epoch, n)`,
    to rounding; what cannot be trained so is refused by name. Python's and NumPy's random numbers
    go on as if nothing had been drawn; TensorFlow's, and those of `keras.random` without a seed,
    from the seed of the model that was built last.

    Args:
        build: A function without arguments that makes a new, uncompiled model at each call; or
            such a function for each replica, whose models may differ in initial weights alone.
        x: Inputs as `fit` takes them, arrays of n examples, nested for models of several inputs;
            or a data set with ``x_train``, ``y_train``, ``x_valid`` and ``y_valid``, as
            `helpers.data.Dataset`.
        y: Targets, as `fit` takes them; left out where `x` is a data set.
        optimizer: A Keras optimizer, or its name. It is copied, never trained.
        loss: As `compile` takes it.
        epochs: The number of the epoch at which training ends, as in `fit`.
        batch_size: Examples a step, at least 1; the last batch of an epoch may be smaller.
        validation_data: (x, y) or (x, y, sample_weight).
        rows: Each replica's own training examples: row numbers of x, shape (replicas, m).
        validation_rows: The same of the validation data; of x where there is none, and then none
            that a replica trains on.
        replicas: Number of trainings, at least 1.
        seed: Replica k uses seed + k; or a seed for each replica.
        metrics: As `compile` takes them, by name or as objects.
        weighted_metrics: As `compile` takes them.
        loss_weights: As `compile` takes them.
        sample_weight: As `fit` takes it.
        class_weight: As `fit` takes it.
        start: Weights to start from, in the order of `get_weights()`, each with a leading axis of
            replicas; or earlier `Replicas`, whose optimizers go on as well, at the rates that
            callbacks left unless another rate is given.
        initial_epoch: The number of the first epoch, which decides its order of examples.
        each: Name → a value for each replica: ``learning_rate`` (numbers, or functions of an
            array of steps), ``clipnorm``, ``global_clipnorm``, ``clipvalue`` (infinite: none),
            numbers of the optimizer, or of layers, as ``"Dropout.rate"`` or
            ``"hidden.kernel_regularizer.l2"`` (a layer's name, or all of a class).
        watch: Name → function of a `Step` (gradients, weights and loss of one replica before a
            step) that returns a number: it is kept for every step.
        callbacks: From a replica's number to Keras callbacks for it, new ones for each.
        **unknown: Refused, by name.

    Returns:
        The `Replicas`: histories, initial and final weights, and each replica as a Keras model.

    Raises:
        ValueError: An argument is out of its range, or a model, layer, optimizer or option is not
            supported.
        TypeError: An argument has another name, `build` returns no Keras model, data are no
            arrays, or `callbacks` is no function.

    Example:
        >>> from helpers import data, models
        >>> digits = data.load("digits", train_size=200)
        >>> build = lambda: models.mlp(digits.image_shape, 10, hidden=[16])
        >>> trained = fit_replicas(build, digits, optimizer="adam", epochs=2, replicas=3,
        ...                        loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        >>> trained.history["val_accuracy"].shape
        (3, 2)
    """
    given = dict(locals())
    check_known("fit_replicas", given.pop("unknown"), given)
    return fit(given, {})


class _Resolved(NamedTuple):
    """The arguments of `fit_replicas`, checked as far as that needs no model.

    Attributes:
        plan: What is trained, with the rates to begin with.
        builds: A builder for each replica.
        optimizer: The one that all copy.
        numbers: Each replica's own, as they are given.
        compiled: What `compile` takes besides the optimizer.
    """

    plan: Plan
    builds: tuple[Build, ...]
    optimizer: keras.Optimizer
    numbers: Numbers
    compiled: dict


def fit(given: dict, made: dict[tuple, Made], ready: Callable | None = None) -> Replicas:
    """Train what the arguments of `fit_replicas` say, with models that are made already.

    Before it trains, `ready` is called with the `Compiled` and whether there is validation.
    """
    resolved = _resolved(given)
    plan, start = resolved.plan, given["start"]
    whole = stacked(
        resolved.builds, plan.seeds, plan.training.x, given=start is not None, made=made
    )
    _check_models(whole, resolved)
    make = partial(
        program_for,
        *(whole, resolved.optimizer, resolved.compiled, plan.training, resolved.numbers),
        watch=dict(given["watch"] or {}),
        steps=plan.steps * len(plan.epochs),
    )
    program = make()
    program.forward.check(plan.training, "x")
    if plan.validation is not None:
        program.forward.check(plan.validation, "validation_data")
    state = _start(program, whole, start, len(plan.seeds))
    if ready is not None:
        ready(program.compiled, plan.validation is not None)
    found = train(program, state, plan, partial(make, rows=False))
    if found.program is not program:
        state = laid_out(state, program, found.program)
    return _replicas(given, resolved, whole, state, found)


def _resolved(given: dict) -> _Resolved:
    replicas, start, each = given["replicas"], given["start"], given["each"]
    epochs = options.resolve_epochs(given["epochs"], given["initial_epoch"])
    options.check_counts(batch_size=given["batch_size"], replicas=replicas)
    check_maker(given["callbacks"])
    seeds = options.resolve_seeds(given["seed"], replicas)
    builds = options.resolve_builds(given["build"], replicas)
    options.check_kinds(given)
    optimizer = keras.optimizers.get(given["optimizer"])
    check_optimizer(optimizer)
    of_data = ("x", "y", "validation_data", "sample_weight", "class_weight")
    training, validation = examples.resolve_data(*(given[name] for name in of_data))
    rows = examples.resolve_rows(given["rows"], replicas, len(training), name="rows")
    validation, validation_rows = _validation(
        training, validation, rows, given["validation_rows"], replicas
    )
    data = training, validation, rows, validation_rows
    plan = Plan(*data, seeds, epochs, given["batch_size"], None, given["callbacks"])
    steps = plan.steps * len(epochs)
    first = steps_done(start) if isinstance(start, Replicas) else 0
    numbers = resolve_each(each, replicas, optimizer, steps=steps, first=first)
    rates = rates_left(numbers.rates, start, own=_has_own_rates(given))
    compiled = {name: given[name] for name in ("loss", "loss_weights")} | {
        name: list(given[name]) if isinstance(given[name], tuple) else given[name]
        for name in ("metrics", "weighted_metrics")
    }
    plan = plan._replace(numbers=numbers._replace(rates=rates))
    return _Resolved(plan, builds, optimizer, numbers, compiled)


def _has_own_rates(given: dict) -> bool:
    return bool(given["each"]) and "learning_rate" in given["each"]


def _check_models(whole: Stacked, resolved: _Resolved) -> None:
    """Refuse models that cannot be trained so."""
    with kept_random_state():
        check_numbers(whole.template, resolved.numbers.layers)
    check_names(resolved.optimizer, whole.models)
    check_indices(whole.template, resolved.plan.training.x, "x")


def _replicas(
    given: dict, resolved: _Resolved, whole: Stacked, state: State, found: Outcome
) -> Replicas:
    """Return what came of a training, with what it takes to go on or to make a model of it."""
    plan = resolved.plan
    settings = {
        "training": plan.training,
        "optimizer": resolved.optimizer,
        "compiled": resolved.compiled,
        "numbers": resolved.numbers,
        "names": [tuple(layer.name for layer in model.layers) for model in whole.models],
        "start_rates": plan.numbers.rates,
        "rates": found.rates,
        "own_rates": _has_own_rates(given),
        "given": given | {"start": None},  # which would hold on to all that came before
        "kept": np.arange(len(plan.seeds)),
        "go_on": _go_on,
    }
    return Replicas(
        found.history,
        found.steps,
        plan.seeds,
        resolved.builds,
        found.stopped_at,
        _start=state,
        _state=found.state,
        _program=found.program,
        _settings=settings,
    )


def _validation(training, validation, rows, validation_rows, replicas: int):
    """Return the examples of validation and each replica's rows of them."""
    if validation is not None or validation_rows is None:
        count = 0 if validation is None else len(validation)
        name = "validation_rows"
        return validation, examples.resolve_rows(validation_rows, replicas, count, name=name)
    own = examples.resolve_rows(validation_rows, replicas, len(training), name="validation_rows")
    examples.check_apart(rows, own, name="validation_rows")
    return training, own


def _start(program: Program, whole: Stacked, start, replicas: int) -> State:
    """Return the state from which training starts."""
    if isinstance(start, Replicas):
        return continued(program, start, replicas)
    optimizer = program.stepper.start(replicas)
    steps = np.zeros(replicas, np.int64)
    state = State(program.forward.pack(whole.trainable), whole.others, optimizer, steps)
    if start is None:
        return state
    weights = options.resolve_start(start, program.model, replicas)
    return with_weights(program, state, weights)


def _go_on(earlier: Replicas, epochs: int, changes: dict) -> Replicas:
    """Train earlier replicas further, as `Replicas.fit` promises."""
    return fit_replicas(**arguments(earlier, epochs, changes))
