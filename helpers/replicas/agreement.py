"""Whether data fit the model and the loss: told by the argument's name, before anything trains."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from helpers.replicas.tracing import RefusedError

FAILURES = (ValueError, TypeError, KeyError, IndexError, AttributeError, tf.errors.OpError)
SPARSE = "sparse_categorical_crossentropy"
KINDS = {
    SPARSE: "labels from 0; for one-hot rows take categorical_",
    "categorical_crossentropy": "one-hot rows; for labels take sparse_categorical_",
}


def names_of(name: str) -> tuple[str, str, str]:
    """Return what inputs, targets and weights are called where an argument holds them."""
    if name == "x":
        return "x", "y", "sample_weight"
    return f"{name}[0]", f"{name}[1]", f"{name}[2]"


def kinds(nested) -> tuple:
    """Return how data are nested, their shapes but for the number of examples, and their types."""
    paths = keras.tree.flatten_with_path(nested)
    return tuple(
        (path, None if one is None else (tuple(one.shape[1:]), str(np.dtype(one.dtype))))
        for path, one in paths
    )


def shapes(nested) -> str:
    """Return the shapes of nested arrays of n examples in words."""
    return str(keras.tree.map_structure(_shape, nested)).replace("'", "")


def _shape(one) -> str:
    if one is None:
        return "None"
    return f"(n, {', '.join(map(str, one.shape[1:]))})" if len(one.shape) > 1 else "(n,)"


@contextmanager
def inputs_told(model: keras.Model, x, name: str) -> Iterator[None]:
    """Tell an error of a model that is called with inputs, by the argument's name."""
    try:
        yield
    except RefusedError:
        raise
    except FAILURES as error:
        wanted = getattr(model, "inputs", None)
        wanted = wanted[0] if wanted and len(wanted) == 1 else wanted
        taken = f" of shape {shapes(wanted)}" if wanted is not None else ""
        raise ValueError(
            f"`{name}` must be inputs that the model takes{taken}. Received: shape {shapes(x)}; "
            f"cause: {cause_of(error)}"
        ) from error


@contextmanager
def targets_told(loss, y, y_pred, name: str) -> Iterator[None]:
    """Tell an error of a loss or metrics of targets and outputs, by the argument's name."""
    try:
        yield
    except RefusedError:
        raise
    except FAILURES as error:
        if "Could not interpret" in str(error):  # a loss that Keras does not know
            raise
        named = getattr(loss, "name", getattr(loss, "__name__", loss))
        kind = KINDS.get(named) if isinstance(named, str) else None
        hint = f" ({named} takes {kind}crossentropy)" if kind else ""
        raise ValueError(
            f"`{name}` must be targets that loss and metrics take{hint}, beside the model's "
            f"outputs of shape {shapes(y_pred)}. Received: shape {shapes(y)}, "
            f"loss={named!r}; cause: {cause_of(error)}"
        ) from error


def check_targets(loss, y, name: str) -> None:
    """Refuse to train on a loss without targets."""
    if all(one is None for one in keras.tree.flatten(y)):
        raise ValueError(
            f"`{name}` must be given, the targets of the loss {loss!r}. Received: {name}=None"
        )


def check_outputs(loss, names: list | None, y_pred) -> None:
    """Refuse losses for outputs that a model does not have."""
    known = list(y_pred) if isinstance(y_pred, Mapping) else list(names or [])
    known += list(names or [])
    if isinstance(loss, Mapping) and not set(loss) <= set(known):
        raise ValueError(
            f"`loss` must name outputs of the model, {', '.join(known) or 'which has one'}. "
            f"Received: {', '.join(map(repr, loss))}"
        )


@contextmanager
def weights_told(weight, y, name: str) -> Iterator[None]:
    """Tell an error of a loss that is given weights, by the argument's name."""
    try:
        yield
    except FAILURES as error:
        raise ValueError(
            f"`{name}` must be weights of the targets, of shape {shapes(y)}. Received: shape "
            f"{shapes(weight)}; cause: {cause_of(error)}"
        ) from error


def cause_of(error: Exception) -> str:
    """Return what an error says, without the colours and the surroundings of Keras' messages."""
    text = error.args[0] if isinstance(error, KeyError) and error.args else str(error)
    bold = re.search(r"\x1b\[1m(.*?)\x1b\[0m", str(text), re.DOTALL)
    text = bold[1] if bold else re.sub(r"\{\{.*?\}\}", "", str(text))
    return text.strip().split("\n")[0][:300]


class Labels:
    """The labels that sparse cross-entropies of a compiled loss take.

    Args:
        flat_losses: As Keras keeps them once a loss is built.
        y_pred: Outputs of a few examples.
    """

    def __init__(self, flat_losses, y_pred):
        self.found = []
        for path, loss, *_ in flat_losses or ():
            if getattr(getattr(loss, "fn", None), "__name__", "") != SPARSE:
                continue
            options = getattr(loss, "_fn_kwargs", {})
            classes = _at(y_pred, path).shape[options.get("axis", -1)]
            self.found.append((path, classes, options.get("ignore_class")))

    def check(self, y, name: str) -> None:
        """Refuse labels that are none of the classes."""
        for path, classes, ignored in self.found:
            try:
                labels = np.asarray(_at(y, path))
            except (KeyError, IndexError, TypeError):  # nested in another way than the outputs
                continue
            labels = labels if ignored is None else labels[labels != ignored]
            if labels.size and not (labels.min() > -1 and labels.max() < classes):
                raise ValueError(
                    f"`{name}` must hold labels from 0 to {classes - 1}, as the model has "
                    f"{classes} outputs. Received: from {labels.min()} to {labels.max()}"
                )


def _at(nested, path: tuple):
    """Return what lies at a path of Keras' losses, which may name the parts of a sequence."""
    for key in path:
        flat = not isinstance(nested, Mapping | list | tuple)
        nested = nested if flat else nested[key]
    return nested


def check_indices(model: keras.Model, x, name: str) -> None:
    """Refuse indices that an embedding which sees the inputs themselves does not have."""
    inputs = getattr(model, "inputs", None) or []
    if isinstance(x, Mapping) and set(x) != {one.name for one in inputs}:
        return
    given = [x[one.name] for one in inputs] if isinstance(x, Mapping) else keras.tree.flatten(x)
    for layer in model._flatten_layers(include_self=False):
        if not isinstance(layer, keras.layers.Embedding):
            continue
        seen = {id(one) for node in layer._inbound_nodes for one in node.input_tensors}
        for one, values in zip(inputs, given, strict=False):
            outside = id(one) in seen and not (
                np.min(values) > -1 and np.max(values) < layer.input_dim
            )
            if outside:
                raise ValueError(
                    f"`{name}` must hold indices from 0 to {layer.input_dim - 1} of "
                    f"{layer.name!r}, an Embedding. Received: from {np.min(values)} to "
                    f"{np.max(values)}"
                )
