"""Trainings that benchmarks measure, each in a process of its own: `python trainings.py CASE JSON`.

A case returns what it measured, and prints it as its last line. It trains with the `helpers` that
it finds: those of the working tree, or those of the commit that it is compared with, whose
`fit_replicas` was called otherwise.
"""

import helpers.quiet  # first: keeps TensorFlow's start-up notices off the terminal

import functools
import inspect
import json
import os
import resource
import sys
import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np

from helpers import data, models, replicas

NEW = "each" in inspect.signature(replicas.fit_replicas).parameters
LOSS = "sparse_categorical_crossentropy"


class Clock(keras.callbacks.Callback):
    """Measures what passes between its calls, or the ends of epochs."""

    def __init__(self):
        super().__init__()
        self.laps: list[tuple[float, float]] = []
        self.start()

    def start(self) -> None:
        """Begin a lap."""
        self._begun = time.perf_counter(), time.process_time()

    def lap(self) -> None:
        """End a lap, and begin the next."""
        now = time.perf_counter(), time.process_time()
        self.laps.append((now[0] - self._begun[0], now[1] - self._begun[1]))
        self._begun = now

    def on_epoch_end(self, epoch, logs=None):
        """End a lap."""
        self.lap()

    def fastest(self, *, after: int = 0) -> dict[str, float]:
        """Return the shortest wall and processor time of the laps after so many."""
        wall, processor = (min(times[after:]) for times in zip(*self.laps, strict=True))
        return {"wall": wall, "processor": processor}


def net(name: str):
    """Return a function that builds a net, and what it is trained on."""
    if name == "large":
        rng = np.random.default_rng(0)
        inputs = SimpleNamespace(
            x_train=rng.random((20_000, 784), dtype="float32"),
            y_train=rng.integers(0, 10, 20_000).astype("int32"),
            x_valid=None,
            y_valid=None,
        )
        options = {"activation": "selu", "kernel_initializer": "lecun_normal"}
        hidden = [300, 100, 50, 50, 50]
        return functools.partial(models.mlp, (784,), 10, hidden=hidden, **options), inputs
    if name == "digits":
        digits = data.load("digits")
        options = {"hidden": [100] * 5, "kernel_initializer": "he_normal"}
        return functools.partial(models.mlp, digits.image_shape, 10, **options), digits
    digits = data.load("digits")  # a row of pixels is a step of a sequence
    inputs = SimpleNamespace(
        x_train=digits.x_train.take(range(1200), axis=0, mode="wrap"),
        y_train=digits.y_train.take(range(1200), mode="wrap"),
        x_valid=digits.x_valid,
        y_valid=digits.y_valid,
    )
    return functools.partial(sequence_net, getattr(keras.layers, name)), inputs


def sequence_net(layer: type) -> keras.Model:
    """Return a net of one recurrent layer."""
    return keras.Sequential(
        [keras.Input((8, 8)), layer(32), keras.layers.Dense(10, activation="softmax")]
    )


def fit(build, inputs, *, epochs: int, optimizer: str = "adam", callbacks=None) -> None:
    """Train one model as Keras does."""
    model = build()
    model.compile(optimizer, LOSS, metrics=["accuracy"])
    valid = None if inputs.x_valid is None else (inputs.x_valid, inputs.y_valid)
    options = {"epochs": epochs, "validation_data": valid, "callbacks": callbacks}
    model.fit(inputs.x_train, inputs.y_train, verbose=0, **options)


def stack(build, inputs, *, rates=None, optimizer: str = "adam", **options) -> None:
    """Train replicas."""
    if NEW:
        options["metrics"] = ["accuracy"]
    if rates is not None:
        options |= {"each": {"learning_rate": rates}} if NEW else {"learning_rates": rates}
    replicas.fit_replicas(build, inputs, optimizer=optimizer, loss=LOSS, **options)


def fits(*, name: str, count: int, epochs: int) -> dict:
    """Call `fit` so often, all costs."""
    build, inputs = net(name)
    fit(build, inputs, epochs=1)  # the first use of TensorFlow costs all sides the same
    clock = Clock()
    for _ in range(count):
        fit(build, inputs, epochs=epochs)
    clock.lap()
    return clock.fastest()


def first(*, name: str, count: int, epochs: int, rates: int = 1) -> dict:
    """Train so many replicas at each of so many rates, all costs."""
    build, inputs = net(name)
    fit(build, inputs, epochs=1)
    each = None if rates == 1 else np.repeat(np.geomspace(1e-4, 1e-2, rates), count).tolist()
    seeds = list(range(count)) * rates
    clock = Clock()
    stack(build, inputs, replicas=count * rates, epochs=epochs, seed=seeds, rates=each)
    clock.lap()
    return clock.fastest()


def again(*, name: str, count: int, epochs: int) -> dict:
    """Train replicas a second time, with other seeds and rates."""
    build, inputs = net(name)
    stack(build, inputs, replicas=count, epochs=epochs, rates=[1e-3] * count)
    clock = Clock()
    stack(build, inputs, replicas=count, epochs=epochs, rates=[3e-3] * count, seed=1000)
    clock.lap()
    return clock.fastest()


def drawn(*, count: int, epochs: int, over: str) -> dict:
    """Train replicas over draws of the digits, or over seeds on the first of these draws."""
    build, inputs = net("digits")
    fit(build, inputs, epochs=1)
    draws = data.load_pool("digits").draw(replicas=count, seed=0)
    train, tune = draws.train, draws.tune
    options = {"rows": train, "validation_rows": tune}
    examples = draws.x, draws.y
    if over == "seeds":
        examples = draws.x[train[0]], draws.y[train[0]]
        options = {"validation_data": (draws.x[tune[0]], draws.y[tune[0]])}
    clock = Clock()
    replicas.fit_replicas(
        build, *examples, optimizer="adam", loss=LOSS, metrics=["accuracy"], replicas=count,
        epochs=epochs, **options,
    )  # fmt: skip
    clock.lap()
    return clock.fastest()


def fit_epoch(*, name: str, optimizer: str, epochs: int) -> dict:
    """Return what an epoch of `fit` takes, the fastest after the first."""
    build, inputs = net(name)
    clock = Clock()
    fit(build, inputs, epochs=epochs, optimizer=optimizer, callbacks=[clock])
    return clock.fastest(after=1)


def stack_epoch(*, name: str, optimizer: str, epochs: int, count: int) -> dict:
    """Return what an epoch of all replicas takes, the fastest after the first."""
    build, inputs = net(name)
    clock = Clock()
    options = {"replicas": count, "epochs": epochs, "optimizer": optimizer}
    if NEW:
        options["callbacks"] = lambda replica: [clock] if replica == 0 else []
    else:
        _lap_after_epochs(clock)
    stack(build, inputs, **options)
    return clock.fastest(after=1)


def _lap_after_epochs(clock: Clock) -> None:
    """Let the compared commit's engine end a lap after each epoch."""
    kind = import_module("helpers.replicas.engine").Stack
    original = kind.train_epoch

    def timed(self, *arguments, **options):
        clock.start()
        seen = original(self, *arguments, **options)
        clock.lap()
        return seen

    kind.train_epoch = timed


# What trains, by the package that has it: of the compared commit, and of the working tree.
TRAINERS = {
    "replicas": ["fit_replicas", "fit_arms", "search"],
    "clipping": ["train_clipped"],
    "transfer": ["fit_stack", "fit_stages", "best_of_rates", "best_arms"],
}


def chapter(*, notebook: str, parameters: dict | None = None) -> dict:
    """Return what the trainings of a chapter take, run at its defaults, and nothing else of it."""
    clock, running = Clock(), []

    def timed(function):
        @functools.wraps(function)
        def wrapper(*arguments, **options):
            if not running:
                clock.start()
            running.append(function)
            try:
                return function(*arguments, **options)
            finally:
                running.pop()
                if not running:
                    clock.lap()

        return wrapper

    for package, names in TRAINERS.items():
        module = import_module(f"helpers.{package}")
        for name in set(names) & set(dir(module)):
            setattr(module, name, timed(getattr(module, name)))
    _execute(Path("book") / f"{notebook}.ipynb", parameters or {})
    wall, processor = map(sum, zip(*clock.laps, strict=True))
    return {"wall": wall, "processor": processor}


def _execute(notebook: Path, parameters: dict) -> None:
    """Run a notebook's code cells in this process."""
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    names: dict = {"__name__": "__main__"}
    os.chdir(notebook.parent)
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
            if "parameters" in cell["metadata"].get("tags", []):
                names |= parameters


if __name__ == "__main__":
    used = Path(inspect.getfile(replicas)).parents[2]
    assert used == Path.cwd(), f"helpers must be those of {Path.cwd()}. Received: {used}"
    case, options = sys.argv[1:]
    found = globals()[case](**json.loads(options))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found | {"memory": peak}))
