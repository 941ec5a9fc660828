"""Going on where earlier replicas stopped: their state, their rates, what they were given."""

import numpy as np

from helpers.replicas import options
from helpers.replicas.each import for_each, is_one
from helpers.replicas.forward import State
from helpers.replicas.program import Program
from helpers.replicas.result import Replicas
from helpers.replicas.sameness import describe
from helpers.replicas.signature import check_known
from helpers.replicas.state import laid_out


def steps_done(earlier: Replicas) -> int:
    """Return how many steps the optimizers of earlier replicas have done, all the same."""
    done = earlier._state.iterations.tolist()
    if len(set(done)) > 1:
        raise ValueError(
            "replicas that go on together must have trained for as many steps each. Received: "
            f"steps {done}, as callbacks stopped some. Go on with those of one number, as "
            "`earlier[earlier.stopped_at == 2]`, or pass `start=earlier.weights`, without their "
            "optimizers"
        )
    return done[0] if done else 0


def rates_left(given: list, start, *, own: bool) -> list:
    """Return the rates to begin with: those that the callbacks of earlier replicas left.

    Unless another rate is given now, or each replica has its own.
    """
    if not isinstance(start, Replicas) or len(start) != len(given) or own:
        return given
    pairs = zip(given, start._settings["numbers"].rates, start._settings["rates"], strict=True)
    return [
        left if np.isscalar(now) and np.isscalar(before) and now == before else now
        for now, before, left in pairs
    ]


def continued(program: Program, earlier: Replicas, replicas: int) -> State:
    """Return the state of earlier replicas, to go on from."""
    state = earlier._state
    unpacked = earlier._program.forward.unpack(state.trainable)
    shapes = [tuple(one.shape) for one in unpacked]
    wanted = [(replicas, *shape) for shape in program.forward.shapes]
    own, new = earlier._program.stepper, program.stepper
    lacking = set(new.keeps) - set(own.keeps)
    if shapes != wanted or describe(own.kind) != describe(new.kind) or lacking:
        raise ValueError(
            "`start` must be replicas of such a model and optimizer to go on with; to take only "
            f"their weights pass `start=earlier.weights`. Received: {len(earlier)} replicas, "
            f"optimizer {own.kind.__name__} that keeps {', '.join(own.keeps) or 'nothing'} in "
            f"place of {new.kind.__name__} with {', '.join(new.keeps) or 'nothing'}, "
            f"variables {shapes}"
        )
    return laid_out(state, earlier._program, program)


# What going on takes from the replicas themselves.
OF_THE_STATE = ("build", "epochs", "replicas", "seed", "start", "initial_epoch")


def arguments(earlier: Replicas, epochs: int, changes: dict) -> dict:
    """Return what `fit_replicas` is called with to train earlier replicas further."""
    options.check_counts(epochs=epochs)
    possible = [name for name in earlier._settings["given"] if name not in OF_THE_STATE]
    check_known("Replicas.fit", changes, possible)
    given = dict(earlier._settings["given"])
    kept = earlier._settings["kept"]
    steps_done(earlier)
    ends = [int(epoch) or given["epochs"] for epoch in earlier.stopped_at]
    done = ends[0] if earlier.history else given["initial_epoch"]
    for name in ("rows", "validation_rows"):
        if given[name] is not None:
            given[name] = np.asarray(given[name])[kept]
    if given["each"]:
        given["each"] = {
            name: values if is_one(values) else [list(values)[k] for k in kept]
            for name, values in given["each"].items()
        }
        if "learning_rate" in given["each"]:
            own = for_each(given["each"]["learning_rate"], len(earlier), "learning_rate")
            left = zip(own, earlier._settings["rates"], strict=True)
            given["each"]["learning_rate"] = [now if np.isscalar(now) else one for one, now in left]
    if given["callbacks"] is not None and not np.array_equal(kept, np.arange(len(kept))):
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
    return given | further | changes
