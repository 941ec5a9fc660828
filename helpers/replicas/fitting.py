"""Train replicas of one model, or of several to compare."""

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from helpers.replicas import options
from helpers.replicas.building import Build, Stacked, build_one, kept_random_state, stacked
from helpers.replicas.checks import check_optimizer
from helpers.replicas.compiled import Compiled
from helpers.replicas.numbers import find_numbers
from helpers.replicas.program import Program, State
from helpers.replicas.result import Replicas
from helpers.replicas.sameness import describe
from helpers.replicas.stepping import exclusions, settings_of
from helpers.replicas.training import Plan, train, with_weights

# Stacked elements from which a model counts as large. Then each variable is stacked by itself:
# copying them into one row for each replica would cost more than it saves.
LARGE = 1_000_000
# Elements times steps from which the optimizer's step is compiled with XLA: its twenty or so
# elementwise operations become one pass through memory; below, compiling takes longer.
WORTH_COMPILING = 50_000_000
MOST_PROGRAMS = 32  # compiled programs that are kept, the oldest of them dropped first
_programs: dict[tuple, Program] = {}


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
) -> Replicas:
    """Train independent replicas of a model as one stacked computation.

    Replica k equals `model.fit` on the model that `build` returns after
    `keras.utils.set_random_seed(seed + k)`, with the batches of `batch_order(seed + k, epoch, n)`,
    to rounding; what cannot be trained so is refused by name.

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
            replicas; or earlier `Replicas`, whose optimizers go on as well.
        initial_epoch: The number of the first epoch, which decides its order of examples.
        each: Name → a value for each replica: ``learning_rate`` (numbers, or functions of an
            array of steps), ``clipnorm``, ``global_clipnorm``, ``clipvalue`` (infinite: none),
            numbers of the optimizer, or of layers, as ``"Dropout.rate"`` or
            ``"hidden.kernel_regularizer.l2"`` (a layer's name, or all of a class).
        watch: Name → function of a `Step` (gradients, weights and loss of one replica before a
            step) that returns a number: it is kept for every step.
        callbacks: From a replica's number to Keras callbacks for it, new ones for each.

    Returns:
        The `Replicas`: histories, initial and final weights, and each replica as a Keras model.

    Raises:
        ValueError: An argument is out of its range, or a model, layer, optimizer or option is not
            supported.
        TypeError: `build` does not return a Keras model, or an argument is of the wrong kind.

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
    numbered = options.resolve_epochs(epochs, initial_epoch)
    options.check_counts(batch_size=batch_size, replicas=replicas)
    seeds = options.resolve_seeds(seed, replicas)
    builds = options.resolve_builds(build, replicas)
    optimizer = keras.optimizers.get(optimizer)
    check_optimizer(optimizer)
    training, validation = options.resolve_data(x, y, validation_data, sample_weight, class_weight)
    rows = options.resolve_rows(rows, replicas, len(training), name="rows")
    validation, validation_rows = _validation(training, validation, rows, validation_rows, replicas)
    plan = Plan(
        training, validation, rows, validation_rows, seeds, numbered, batch_size, None, callbacks
    )
    first = start._state.iterations if isinstance(start, Replicas) else 0
    first = int(first)
    numbers = options.resolve_each(
        each, replicas, optimizer, steps=plan.steps * len(numbered), first=first
    )
    compiled = {
        "loss": loss,
        "loss_weights": loss_weights,
        "metrics": list(metrics) if isinstance(metrics, tuple) else metrics,
        "weighted_metrics": list(weighted_metrics) or None,
    }
    whole = stacked(builds, seeds, training.x, given=start is not None)
    steps = plan.steps * len(numbered)
    program = _program(whole, optimizer, compiled, training, numbers, dict(watch or {}), steps)
    state = _start(program, whole, start, replicas)
    found = train(program, state, plan._replace(numbers=numbers))
    settings = {
        "training": training,
        "optimizer": optimizer,
        "compiled": compiled,
        "numbers": numbers,
        "own_rates": bool(each) and "learning_rate" in each,
        "given": given,
        "kept": np.arange(replicas),
        "go_on": _go_on,
    }
    return Replicas(
        found.history,
        found.steps,
        seeds,
        builds,
        found.stopped_at,
        _start=state,
        _state=found.state,
        _program=program,
        _settings=settings,
    )


def _validation(training, validation, rows, validation_rows, replicas: int):
    """Return the examples of validation and each replica's rows of them."""
    if validation is not None or validation_rows is None:
        count = 0 if validation is None else len(validation)
        name = "validation_rows"
        return validation, options.resolve_rows(validation_rows, replicas, count, name=name)
    own = options.resolve_rows(validation_rows, replicas, len(training), name="validation_rows")
    options.check_apart(rows, own, name="validation_rows")
    return training, own


def _program(whole: Stacked, optimizer, compiled, training, numbers, watch, steps) -> Program:
    """Return the compiled program for such a training, one that is there already if it is."""
    elements = sum(one.size for one in whole.trainable)
    places = {name: find_numbers(whole.template, name) for name in numbers.layers}
    flags = {"joined": elements < LARGE, "fused": elements * steps >= WORTH_COMPILING}
    kinds = [
        (one.shape[1:], str(one.dtype)) if one is not None else None
        for one in keras.tree.flatten(list(training))
    ]
    key = (
        whole.description,
        describe([compiled, type(optimizer), settings_of(optimizer), exclusions(optimizer), watch]),
        describe([places, sorted(numbers.optimizer), flags, kinds]),
        describe(keras.tree.map_structure(lambda one: 0, list(training))),
        _output_names(whole.template),
        keras.config.floatx(),
        keras.config.epsilon(),
        keras.config.image_data_format(),
    )
    found = _programs.pop(key, None)
    if found is None:
        few = [keras.tree.map_structure(_first_two, part) for part in training]
        judged = Compiled(whole.template, compiled, tuple(few))
        found = Program(
            whole.template, optimizer, judged, watch=watch, layer_numbers=places, **flags
        )
    _programs[key] = found
    while len(_programs) > MOST_PROGRAMS:
        _programs.pop(next(iter(_programs)))
    return found


def _output_names(model: keras.Model) -> tuple:
    """Return the names that a history holds, which only several outputs have."""
    names = tuple(getattr(model, "output_names", None) or ())
    return names if len(names) > 1 else ()


def _first_two(array):
    return None if array is None else keras.ops.convert_to_tensor(array[:2])


def _start(program: Program, whole: Stacked, start, replicas: int) -> State:
    """Return the state from which training starts."""
    if isinstance(start, Replicas):
        return _continued(program, start, replicas)
    optimizer = program.stepper.start(program.pack(whole.trainable))
    state = State(program.pack(whole.trainable), whole.others, optimizer, np.int64(0))
    if start is None:
        return state
    weights = options.resolve_start(start, program.model, replicas)
    return with_weights(program, state, weights)


def _continued(program: Program, earlier: Replicas, replicas: int) -> State:
    """Return the state of earlier replicas, to go on from."""
    state = earlier._state
    unpacked = earlier._program.unpack(state.trainable)
    shapes = [tuple(one.shape) for one in unpacked]
    wanted = [(replicas, *shape) for shape in program.shapes]
    same = type(earlier._program.stepper.optimizer).__name__
    if shapes != wanted or same != type(program.stepper.optimizer).__name__:
        raise ValueError(
            "`start` must be replicas of such a model and optimizer to go on with; to take only "
            f"their weights pass `start=earlier.weights`. Received: {len(earlier)} replicas, "
            f"optimizer {same}, variables {shapes}"
        )
    fresh = program.stepper.start(program.pack(unpacked))
    if [one.shape for one in fresh] != [tuple(one.shape) for one in state.optimizer]:
        state = state._replace(optimizer=_repacked(earlier._program, program, state.optimizer))
    return State(program.pack(unpacked), *state[1:])


def _repacked(old: Program, new: Program, optimizer: list) -> list:
    """Return an optimizer's state where one program has rows and the other has variables."""
    raise ValueError(
        "`start` must be replicas trained with as many in a stack, as the optimizer's state is "
        f"laid out by it. Received: state of {len(optimizer)} arrays, joined={old.joined}; "
        f"wanted joined={new.joined}"
    )


def _go_on(earlier: Replicas, epochs: int, changes: dict) -> Replicas:
    """Train earlier replicas further, as `Replicas.fit` promises."""
    options.check_counts(epochs=epochs)
    given = dict(earlier._settings["given"])
    kept = earlier._settings["kept"]
    done = given["epochs"]
    for name in ("rows", "validation_rows"):
        if given[name] is not None:
            given[name] = np.asarray(given[name])[kept]
    if given["each"]:
        given["each"] = {
            name: values if np.isscalar(values) or callable(values) else [values[k] for k in kept]
            for name, values in given["each"].items()
        }
    if given["callbacks"] is not None:
        make = given["callbacks"]
        given["callbacks"] = lambda replica: make(int(kept[replica]))
    further = {
        "build": list(earlier.builds),
        "seed": list(earlier.seeds),
        "replicas": len(earlier),
        "start": earlier,
        "initial_epoch": done,
        "epochs": done + epochs,
    }
    return fit_replicas(**(given | further | changes))


def fit_arms(
    arms: Mapping[str, Build],
    x,
    y=None,
    *,
    replicas: int = 8,
    seed: int = 0,
    learning_rates: Mapping[str, object] | None = None,
    **shared,
) -> dict[str, Replicas]:
    """Train replicas of several models to compare, paired by seed.

    Replica k of every arm has the same seed, batch order and rows. Arms that compute alike, and
    differ only in initial weights or learning rate, are trained in one stacked computation.

    Args:
        arms: Name → function that builds the arm's model.
        x: As for `fit_replicas`.
        y: As for `fit_replicas`.
        replicas: Number of trainings of each arm.
        seed: Replica k of each arm uses seed + k.
        learning_rates: Name → the arm's rate, a number or a function of the step; by default all
            use the optimizer's.
        **shared: As for `fit_replicas`; what it takes for each replica holds for those of each arm.
            `each`, `start`, `rows` and `validation_rows` may be given arm by arm, in a mapping.

    Returns:
        Name → `Replicas`, in the order of `arms`.

    Raises:
        ValueError: There is no arm, or `learning_rates` names other arms; and as `fit_replicas`.
    """
    options.check_counts(replicas=replicas)
    if not arms or (learning_rates is not None and set(learning_rates) != set(arms)):
        raise ValueError(
            "`arms` must not be empty, and `learning_rates` must name the same arms. "
            f"Received: arms={list(arms)}, learning_rates={learning_rates}"
        )
    trained = {}
    training, _ = options.resolve_data(x, y, None, None, None)
    for names in _groups(arms, seed, training.x):
        own = _repeated(_of_arms(shared, arms, names, replicas), len(names), replicas)
        if learning_rates is not None:
            rates = [learning_rates[name] for name in names for _ in range(replicas)]
            own["each"] = dict(own.get("each") or {}) | {"learning_rate": rates}
        together = fit_replicas(
            [arms[name] for name in names for _ in range(replicas)],
            x,
            y,
            replicas=replicas * len(names),
            seed=list(range(seed, seed + replicas)) * len(names),
            **own,
        )
        for number, name in enumerate(names):
            trained[name] = together[number * replicas : (number + 1) * replicas]
    return {name: trained[name] for name in arms}


def _of_arms(shared: dict, arms: Mapping, names: list[str], replicas: int) -> dict:
    """Return arguments in which what is given arm by arm is there for the replicas of some arms."""
    own = dict(shared)
    for argument in ("start", "rows", "validation_rows"):
        value = own.get(argument)
        if not isinstance(value, Mapping):
            continue
        if set(value) != set(arms):
            raise ValueError(
                f"`{argument}` must name the arms {list(arms)}, where it is given arm by arm. "
                f"Received: {list(value)}"
            )
        parts = [value[name] for name in names]
        if argument == "start":
            own[argument] = [np.concatenate(one) for one in zip(*parts, strict=True)]
        else:
            own[argument] = np.concatenate(parts)
    each = own.get("each")
    if each and set(each) == set(arms):
        own["each"] = _each(each, names, replicas)
    return own


def _each(each: Mapping, names: list[str], replicas: int) -> dict:
    """Return numbers for the replicas of arms, which are given arm by arm."""
    kinds = {name: sorted(each[name]) for name in names}
    if len({tuple(kind) for kind in kinds.values()}) > 1:
        raise ValueError(
            f"`each` must name the same numbers for all arms that compute alike. Received: {kinds}"
        )
    return {
        number: [
            value
            for name in names
            for value in options.for_each(each[name][number], replicas, number)
        ]
        for number in kinds[names[0]]
    }


def _repeated(shared: dict, arms: int, replicas: int) -> dict:
    """Return arguments in which what each replica has is there for each arm's replicas."""
    own, whole = dict(shared), arms * replicas
    for name in ("rows", "validation_rows"):
        if own.get(name) is not None and len(own[name]) == replicas:
            own[name] = np.tile(np.asarray(own[name]), (arms, 1))
    if own.get("each"):
        own["each"] = {
            name: v if np.isscalar(v) or callable(v) or len(v) == whole else list(v) * arms
            for name, v in own["each"].items()
        }
    start = own.get("start")
    if start is not None and not isinstance(start, Replicas) and len(start[0]) == replicas:
        own["start"] = [np.concatenate([np.asarray(one)] * arms) for one in start]
    make = own.get("callbacks")
    if make is not None:
        own["callbacks"] = lambda replica: make(replica % replicas)
    return own


def _groups(arms: Mapping[str, Build], seed: int, x) -> list[list[str]]:
    """Return the arms' names, those that one graph can train together."""
    groups: dict[tuple, list[str]] = {}
    known: dict[int, tuple] = {}  # arms may share a builder
    with kept_random_state():
        for name, build in arms.items():
            if id(build) not in known:
                known[id(build)] = describe(build_one(build, seed, x))
            groups.setdefault(known[id(build)], []).append(name)
    return list(groups.values())
