"""Strict validation of what a notebook is given for its parameters.

papermill itself only warns of an unknown name, and it injects a name as code, so nothing reaches it
that `validate` has not passed.
"""

import json
import keyword
from collections.abc import Iterable, Mapping

from helpers.batch.ask.kinds import ANYTHING, MisfitError, Value, flaw, parts
from helpers.batch.ask.parameters import Parameter
from helpers.batch.ask.written import NoValueError, Switch, Written, meant
from helpers.batch.errors import ParameterError, nearest


def validate(given: Mapping[str, Value], declared: Iterable[Parameter]) -> dict[str, Value]:
    """Return the given values as the notebook is to have them.

    Args:
        given: values by name.
        declared: what the notebook declares.

    Returns:
        The same names; a whole number given for a float has become one.

    Raises:
        ParameterError: A name is not declared, or a value is not what its parameter takes.
    """
    known = {parameter.name: parameter for parameter in declared}
    for name in given:
        if name not in known or not name.isidentifier() or keyword.iskeyword(name):
            hint = nearest(name, known) if known else "No cell tagged `parameters` declares any."
            raise ParameterError(f"NAME must be a declared parameter. Received: {name}. {hint}")
    return {name: _checked(known[name], value) for name, value in given.items()}


def _checked(parameter: Parameter, value: Value) -> Value:
    """Return the value of one parameter, converted where nothing is lost, or raise."""
    typed = value
    try:
        value = meant(typed, parameter.kind)
        converted = parameter.kind.convert(value)
    except NoValueError as error:
        rule = "a value that JSON can tell" if parameter.kind == ANYTHING else parameter.kind
        _refuse(parameter, f"must be {rule}", value, _advice(parameter, *(error.args or [typed])))
    except MisfitError:
        _refuse(parameter, f"must be {parameter.kind}", value, _advice(parameter, typed))
    for part in parts(converted):
        if rule := flaw(part):
            hint = _advice(parameter, typed) if isinstance(part, float) else ""
            _refuse(parameter, rule, value, hint)
    rule, hint = parameter.range.complaint(converted)
    if rule:
        _refuse(parameter, rule, value, hint)
    return converted


def _advice(parameter: Parameter, value: Value) -> str:
    """Say how to write what was probably meant."""
    if isinstance(value, Switch):
        return f"YAML reads {value} as {json.dumps(value.meaning)}: write that, or quote it."
    is_typed = isinstance(value, Written)
    if str in parameter.kind.scalars and (is_typed or not isinstance(value, str | list | dict)):
        text = value if is_typed else "None" if value is None else json.dumps(value)
        quoted = json.dumps(text, ensure_ascii=False)[:200]
        return f"A text that looks like something else is quoted: '{quoted}' on the command line."
    if isinstance(value, str) and bool in parameter.kind.scalars:
        return "Write true or false."
    return ""


def _refuse(parameter: Parameter, rule: str, value: Value, hint: str = "") -> None:
    received = json.dumps(value, ensure_ascii=True, default=str)[:200]
    message = f"`{parameter.name}` {rule}. Received: {parameter.name}={received}. {hint}"
    raise ParameterError(message.rstrip())
