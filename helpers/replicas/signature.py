"""Arguments that a training does not have, or was not given, told by name."""

from collections.abc import Iterable, Mapping

# Arguments of `fit`, `compile` and Keras' optimizers that a reader may look for, and what serves.
ELSEWHERE = {
    "validation_split": "give `validation_data`, or `rows` and `validation_rows`",
    "validation_batch_size": "`batch_size` serves validation as well",
    "verbose": "nothing is printed",
    "shuffle": "each replica's examples are shuffled by its seed (`batch_order`)",
    "steps_per_epoch": "an epoch is all examples, or those of `rows`",
    "learning_rate": "set it in the `optimizer`, or for each replica in `each`",
    "jit_compile": "what is compiled is decided by size",
    "run_eagerly": "a training is always compiled",
    "build": "the functions that build models are the `arms`",
}


def check_known(function: str, given: Mapping, known: Iterable[str]) -> None:
    """Refuse arguments whose names are none of the known."""
    known = list(known)
    for name, value in given.items():
        if name not in known:
            instead = ELSEWHERE.get(name, f"possible are {', '.join(known)}")
            raise TypeError(
                f"`{function}` takes no `{name}`: {instead}. Received: {name}={value!r}"
            )


def check_given(function: str, given: Mapping, needed: Iterable[str]) -> None:
    """Refuse to do without arguments that are needed."""
    missing = [f"`{name}`" for name in needed if name not in given]
    if missing:
        raise TypeError(
            f"`{function}` must be given {', '.join(missing)}. "
            f"Received: {', '.join(given) or 'none'}"
        )
