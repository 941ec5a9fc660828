"""What an object computes, written down, so that two can be compared.

Models that compute alike can share one graph. A configuration does not tell: it leaves out what a
function captured, what was set after making a layer, and what `build` drew besides weights. So
`describe` looks at the objects themselves: classes, attributes, code, closures, constants.
"""

import enum
import functools
import hashlib
import itertools
import types
from collections.abc import Hashable, Mapping
from pathlib import PurePath

import keras
import numpy as np
import tensorflow as tf

from helpers.replicas.identity import Itself, is_importable

# Attributes that Keras keeps for itself: names, bookkeeping, and the state of a compiled model.
IGNORED = {
    *("name", "_name", "_path", "_parent_path", "_tracker", "_lock", "_called", "_losses"),
    *("_metrics", "input_names", "output_names", "_loss_ids", "_losses_override"),
    *("_inbound_nodes", "_outbound_nodes", "_functional", "_nodes", "_nodes_by_depth"),
    *("_operations", "_operations_by_depth", "_tensor_conversions", "_name_scope"),
    *("_auto_config", "_build_shapes_dict", "_saved_model_inputs_spec"),
    *("_saved_model_arg_spec", "_jit_compile", "_distribute_strategy"),
    *("_distribute_reduction_method", "_compile_config", "_compile_loss", "_compile_metrics"),
    *("_loss_tracker", "_auto_scale_loss", "_run_eagerly", "_initial_epoch"),
    *("_eval_epoch_iterator", "compiled", "history", "loss", "optimizer", "predict_function"),
    *("steps_per_execution", "stop_evaluating", "stop_predicting", "stop_training"),
    *("test_function", "train_function", "unrolled_steps_per_execution"),
}
SEEDS = ("seed", "_init_seed")  # of an initializer
# What its own words tell in full.
PLAIN = (slice, range, enum.Enum, np.dtype, tf.DType, tf.TensorShape, type(...), PurePath)
_numbers = itertools.count()


def describe(thing: object, *, starts: bool = False) -> Hashable:
    """Return nested tuples that are equal for two objects that compute the same.

    Values of a model's weights and of initializers are left out: replicas differ in these. Any
    other variable, as one that a loss has captured, is like itself alone. What cannot be looked
    into is unlike everything else.

    Args:
        thing: A model, a function, or any other object.
        starts: Whether initializers are described as well, but for their seeds.
    """
    return _Describer(thing, starts)(thing)


def first_difference(one: Hashable, other: Hashable) -> str:
    """Return the innermost part in which two descriptions differ, in words."""
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        for mine, theirs in zip(one, other, strict=True):
            if mine != theirs:
                inner = first_difference(mine, theirs)
                named = one[0] if len(one) == 2 and isinstance(one[0], str) else None
                return f"{named}: {inner}" if named and named != mine else inner
    return f"{_short(one)} and {_short(other)}"


def _short(description: Hashable) -> str:
    text = str(description)
    return text if len(text) <= 80 else text[:77] + "..."


class _Describer:
    """Describes objects, each once: what comes again is a number, which ends cycles."""

    def __init__(self, thing, starts: bool):
        self.seen: dict[int, int] = {}
        self.kept: list[object] = []  # else an id could be given out twice
        self.starts = starts
        # A program is given the values of these; others it reads where it was made.
        tracked = thing.variables if isinstance(thing, keras.Layer) else ()
        self.tracked = {id(one) for one in tracked}

    def __call__(self, thing) -> Hashable:
        if thing is None or isinstance(thing, bool | int | float | complex | str | bytes):
            return f"{type(thing).__name__} {thing!r}"
        if id(thing) in self.seen:
            return "again", self.seen[id(thing)]
        self.seen[id(thing)] = len(self.seen)
        self.kept.append(thing)
        for kinds, method in self.METHODS:
            if isinstance(thing, kinds):
                return method(self, thing)
        return self._object(thing)

    def _array(self, array) -> Hashable:
        array = np.asarray(array)
        if array.dtype.hasobject:
            return self._opaque(array)
        content = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        return "array", str(array.dtype), array.shape, content

    def _tensor(self, tensor) -> Hashable:
        if not hasattr(tensor, "numpy"):
            return self._opaque(tensor)
        if tensor.dtype == tf.resource:
            return "resource"  # a table, whose owner holds what it was filled with
        return self._array(tensor.numpy())

    def _variable(self, variable) -> Hashable:
        own = ("constraint", "regularizer")
        parts = tuple((name, self(getattr(variable, name, None))) for name in own)
        shape, kind = tuple(variable.shape), str(variable.dtype)
        which = () if id(variable) in self.tracked else (Itself(variable),)
        return "variable", shape, kind, variable.trainable, parts, *which

    def _metric(self, metric) -> Hashable:
        self.tracked |= {id(one) for one in metric.variables}
        return self._object(metric)

    def _keras_tensor(self, tensor) -> Hashable:
        shape = "tensor", tuple(tensor.shape), str(tensor.dtype)
        history = getattr(tensor, "_keras_history", None)
        if history is None:
            return shape
        return (*shape, self(history.operation), history.node_index, history.tensor_index)

    def _neutral(self, thing) -> Hashable:
        return ("draws",)

    def _initializer(self, initializer) -> Hashable:
        if not self.starts:
            return self._neutral(initializer)
        own = {n: value for n, value in vars(initializer).items() if n not in SEEDS}
        return self(type(initializer)), self._mapping(own)

    def _mapping(self, mapping) -> Hashable:
        return ("mapping", *((self._key(key), self(value)) for key, value in mapping.items()))

    def _key(self, key) -> Hashable:
        return key if isinstance(key, str) else self(key)

    def _sequence(self, sequence) -> Hashable:
        return ("sequence", *map(self, sequence))

    def _set(self, members) -> Hashable:
        return ("set", *sorted(map(str, map(self, members))))

    def _function(self, function) -> Hashable:
        if is_importable(function):
            return "function", function.__module__, function.__qualname__
        own = self._code(function.__code__)
        cells = [_content(cell) for cell in function.__closure__ or ()]
        captured = self._sequence([function.__defaults__, function.__kwdefaults__, cells])
        used = ()
        if function.__module__ == "__main__":  # where a name may mean something else tomorrow
            found = {n: function.__globals__.get(n) for n in _names(function.__code__)}
            used = tuple((name, self(value)) for name, value in sorted(found.items()))
        return "function", own, captured, used

    def _code(self, code: types.CodeType) -> Hashable:
        constants = tuple(
            self._code(one) if isinstance(one, types.CodeType) else repr(one)
            for one in code.co_consts
        )
        return code.co_code, constants, code.co_names, code.co_varnames

    def _partial(self, partial) -> Hashable:
        return "partial", self(partial.func), self(partial.args), self._mapping(partial.keywords)

    def _method(self, method) -> Hashable:
        return "method", self(method.__self__), self(method.__func__)

    def _builtin(self, function) -> Hashable:
        owner = getattr(function, "__self__", None)
        of_module = owner is None or isinstance(owner, types.ModuleType)
        named = "builtin", getattr(function, "__module__", None), function.__qualname__
        return named if of_module else (*named, self(owner))

    def _class(self, kind: type) -> Hashable:
        if is_importable(kind):
            return "class", kind.__module__, kind.__qualname__
        members = {
            name: value
            for name, value in vars(kind).items()
            if not name.startswith("__") or name in ("__call__", "__init__")
        }
        return "class", kind.__qualname__, self._sequence(kind.__bases__), self._mapping(members)

    def _module(self, module) -> Hashable:
        return "module", module.__name__

    def _policy(self, policy) -> Hashable:
        return "policy", type(policy).__name__, policy.name

    def _operation(self, operation) -> Hashable:
        own = {
            name: value
            for name, value in vars(operation).items()
            if name not in IGNORED and not name.startswith("_self_")
        }
        described = self(type(operation)), self._mapping(own)
        functional = isinstance(operation, keras.Model) and hasattr(operation, "_nodes")
        if functional and not isinstance(operation, keras.Sequential):
            described = (*described, self._wiring(operation))
        return described

    def _wiring(self, model) -> Hashable:
        """Return which tensors each layer of a functional model is called with."""
        inputs = tuple(self(tensor) for tensor in model.inputs)
        calls = tuple(
            (self(node.operation), self(node.arguments.args), self(node.arguments.kwargs))
            for depth in sorted(model._nodes_by_depth, reverse=True)
            for node in model._nodes_by_depth[depth]
            if not node.is_input
        )
        return inputs, calls, tuple(self(tensor) for tensor in model.outputs)

    def _object(self, thing) -> Hashable:
        if isinstance(thing, Mapping):
            return self._mapping(thing)
        names = itertools.chain.from_iterable(
            getattr(kind, "__slots__", ()) for kind in type(thing).__mro__
        )
        own = {name: getattr(thing, name) for name in names if hasattr(thing, name)}
        own |= getattr(thing, "__dict__", {})
        if not own and not hasattr(thing, "__dict__"):  # its state lies where Python cannot look
            return self._opaque(thing)
        own = {name: value for name, value in own.items() if not name.startswith("_self_")}
        if type(thing).__module__.startswith("tensorflow."):  # as tables, which it numbers
            own = {name: value for name, value in own.items() if not name.endswith("_name")}
        return self(type(thing)), self._mapping(own)

    def _plain(self, thing) -> Hashable:
        return type(thing).__name__, repr(thing)

    def _opaque(self, thing) -> Hashable:
        return "opaque", type(thing).__name__, next(_numbers)

    METHODS = (
        (np.ndarray | np.generic, _array),
        (keras.Variable, _variable),
        (keras.KerasTensor, _keras_tensor),
        (tf.Variable, _tensor),
        (tf.Tensor, _tensor),
        (keras.initializers.Initializer, _initializer),
        (keras.Metric, _metric),
        (keras.random.SeedGenerator, _neutral),
        (keras.dtype_policies.DTypePolicy, _policy),
        (dict | types.MappingProxyType, _mapping),
        (list | tuple, _sequence),
        (set | frozenset, _set),
        (functools.partial, _partial),
        (types.FunctionType, _function),
        (types.MethodType, _method),
        (types.BuiltinFunctionType | np.ufunc, _builtin),
        (types.ModuleType, _module),
        (PLAIN, _plain),
        (type, _class),
        (keras.Operation, _operation),
    )


def _content(cell) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _names(code: types.CodeType) -> set[str]:
    """Return the names that a function may look up, those of its inner functions with them."""
    inner = [one for one in code.co_consts if isinstance(one, types.CodeType)]
    return set(code.co_names).union(*map(_names, inner))
