"""For tests: what Kubernetes would refuse in a manifest, by the types that its API declares."""

import dataclasses
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from lightkube.core.resource_registry import resource_registry


def complaints(manifest: Mapping) -> list[str]:
    """Return what is wrong in a manifest: unknown and missing fields, values of other types."""
    kind = resource_registry.load(manifest["apiVersion"], manifest["kind"])
    return list(_complaints(manifest, kind, manifest["kind"]))


def _complaints(value: object, kind: object, place: str) -> Iterator[str]:
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return
    if origin in (Union, UnionType):
        found = [list(_complaints(value, one, place)) for one in inner if one is not type(None)]
        yield from min(found, key=len)
    elif dataclasses.is_dataclass(kind):
        yield from _fields(value, kind, place)
    elif origin is list:
        if not isinstance(value, list):
            yield f"{place}: must be a list"
        else:
            for number, item in enumerate(value):
                yield from _complaints(item, inner[0], f"{place}[{number}]")
    elif origin is dict:
        if not isinstance(value, dict):
            yield f"{place}: must be a mapping"
        else:
            for name, item in value.items():
                yield from _complaints(item, inner[1], f"{place}.{name}")
    elif type(value) is not kind:
        yield f"{place}: must be {getattr(kind, '__name__', kind)}"


def _fields(value: object, kind: type, place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place}: must be a mapping"
        return
    types = get_type_hints(kind)
    fields = {field.metadata.get("json", field.name): field for field in dataclasses.fields(kind)}
    for name in value.keys() - fields.keys():
        yield f"{place}.{name}: is unknown"
    for name, field in fields.items():
        if name in value:
            yield from _complaints(value[name], types[field.name], f"{place}.{name}")
        elif field.default is field.default_factory is dataclasses.MISSING:
            yield f"{place}.{name}: is missing"
