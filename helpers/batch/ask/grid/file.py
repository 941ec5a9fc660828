"""A YAML file of a user's, read so that every mistake is reported with its line.

It is composed into nodes, which know their lines, and the data is built from the nodes here: no
constructor of PyYAML other than those of plain scalars ever runs.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from helpers.batch.ask.written import Switch, Written
from helpers.batch.errors import UsageError

# A grid is written by hand. What is larger is another file, or made to fill the memory.
SIZE_LIMIT = 1_000_000
NODE_LIMIT = 100_000
DEPTH_LIMIT = 10
LISTED_LIMIT = 50
TOO_LARGE = f"must have at most {NODE_LIMIT:,} values and {DEPTH_LIMIT} levels"
STANDARD = "tag:yaml.org,2002:"
PLAIN = {STANDARD + name for name in ("str", "int", "float", "bool", "null")}
Place = tuple[str | int, ...]


class GridError(UsageError):
    """A grid file has mistakes; the message has a line for each, with the file's line."""


@dataclass
class GridFile:
    """A grid file while it is read and checked.

    Attributes:
        path: the file.
        grid: what it holds, less the keys whose content is wrong; None if no chapters are left.
        keys: the line of each key by its place, as `("parameters", "depth")`.
        values: the line of each value by its place, as `("parameters", "depth", 0)`.
        mistakes: line or 0, and text, of each mistake so far.
    """

    path: Path
    grid: Any = None
    keys: dict[Place, int] = field(default_factory=dict)
    values: dict[Place, int] = field(default_factory=dict)
    mistakes: set[tuple[int, str]] = field(default_factory=set)

    def complain(self, text: str, *place: str | int, key: bool = False) -> None:
        """Note a mistake in the value at a place, or in its key."""
        lines = self.keys if key else self.values
        while place[1:] and place not in lines:  # part of what stands there as a whole
            place = place[:-1]
        self.complain_at(lines.get(place, 0), text)

    def complain_at(self, line: int, text: str) -> None:
        """Note a mistake in a line; 0 for the file as a whole."""
        self.mistakes.add((line, text[:500]))

    def require(self) -> None:
        """Raise a `GridError` that lists the mistakes, if there are any, in the file's order."""
        if not self.mistakes:
            return
        lines = [
            f"{self.path.name}{f', line {line}' if line else ''}: {text}"
            for line, text in sorted(self.mistakes)
        ]
        if len(lines) > LISTED_LIMIT:
            lines[LISTED_LIMIT:] = [f"... and {len(lines) - LISTED_LIMIT} more mistakes"]
        raise GridError("\n".join(map(_printable, lines)))


def _printable(text: str) -> str:
    """Escape what would break the line or command the terminal: it came from the file."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def received(value: object) -> str:
    """Return the end of a message: the value as JSON.

    >>> received(["digits", None])
    'Received: ["digits", null]'
    """
    return f"Received: {json.dumps(value, default=str)[:200]}"


def read_text(path: Path) -> str:
    """Return a file's text.

    Raises:
        GridError: It cannot be read, is too large, or is not UTF-8.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(SIZE_LIMIT + 1)
        if len(content) > SIZE_LIMIT:
            raise GridError(f"{path.name} must have at most {SIZE_LIMIT:,} bytes. Received: more")
        return content.decode("utf-8")
    except OSError as error:
        reason = error.strerror
        raise GridError(f"GRID must be a readable file. Received: {path}: {reason}") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise GridError(f"{path.name}, line {line}: must be UTF-8. Received: {error}") from error


class _Loader(yaml.SafeLoader):
    """YAML 1.1, except that 1e-3 is a number, as everywhere else: rates are written like that."""


_Loader.add_implicit_resolver(
    STANDARD + "float",
    re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+\Z"),
    list("-+.0123456789"),
)
# What YAML 1.1 takes for an octal number or for minutes and seconds: 010 is 8, and 1:30 is 90.
SURPRISING = re.compile(r"[-+]?0[0-7_]*[1-7][0-7_]+|.*:.*")
ZEROS = re.compile(r"[-+]?0[0-9]{1,99}")  # 08 is no octal number, and so no number at all


class Reading:
    """One walk over a file's nodes: it builds the data and notes lines and mistakes."""

    def __init__(self, file: GridFile, text: str) -> None:
        self.file = file
        self.text = text
        self.nodes = 0

    def data(self) -> object:
        """Return what the file holds, as lists, dictionaries and scalars; None if it is empty."""
        try:
            self.loader = _Loader(self.text)
            node = self.loader.get_single_node()
            return None if node is None else self._build(node, ())
        except yaml.YAMLError as error:
            words = (getattr(error, name, None) for name in ("context", "problem", "reason"))
            problem = f"must be YAML. Received: {', '.join(filter(None, words))}"
            self.file.complain_at(self._line(error), problem)
        except RecursionError:
            self.file.complain_at(0, f"{TOO_LARGE}.")
        return None

    def _line(self, error: yaml.YAMLError) -> int:
        if mark := getattr(error, "problem_mark", None):
            return mark.line + 1
        return self.text.count("\n", 0, getattr(error, "position", 0)) + 1  # a character's

    def _build(self, node: yaml.Node, place: Place) -> object:
        line = self.file.values[place] = node.start_mark.line + 1
        # An alias stands for all that its anchor holds, itself perhaps, and is counted as such.
        self.nodes += 1
        if self.nodes > NODE_LIMIT or len(place) > DEPTH_LIMIT:
            self.file.complain_at(line, f"{TOO_LARGE}, aliases included.")
            self.file.require()
        match node:
            case yaml.MappingNode(tag="tag:yaml.org,2002:map"):
                return self._mapping(node, place)
            case yaml.SequenceNode(tag="tag:yaml.org,2002:seq"):
                self._refuse_torn(node)
                children = enumerate(node.value)
                return [self._build(child, (*place, number)) for number, child in children]
            case yaml.ScalarNode() if node.tag in PLAIN:
                return self._scalar(node)
        self.file.complain_at(line, _refusal(node))
        return None

    def _refuse_torn(self, node: yaml.SequenceNode) -> None:
        """Note a tuple in brackets: YAML tears it at its commas."""
        for child in node.value if node.flow_style else []:
            text = child.value if isinstance(child, yaml.ScalarNode) and child.style is None else ""
            if text.startswith("(") and text.count("(") > text.count(")"):
                rule = f"YAML ends a value at a comma. Received: {text}. Write (1, 2) as [1, 2], or"
                self.file.complain_at(child.start_mark.line + 1, f"{rule} quote a text.")

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, object]:
        data = {}
        for key, value in node.value:
            line, inner = key.start_mark.line + 1, (*place, key.value)
            if key.tag == STANDARD + "merge":
                self.file.complain_at(line, "`<<` is not supported: write the keys out.")
            elif key.tag != STANDARD + "str" or not isinstance(key, yaml.ScalarNode):
                self.file.complain_at(line, f"a key must be text. {_source(key)}")
            elif key.value in data:
                first = self.file.keys[inner]
                self.file.complain_at(line, f"`{key.value}` stands twice, first in line {first}.")
            else:
                self.file.keys[inner] = line
                data[key.value] = self._build(value, inner)
        return data

    def _scalar(self, node: yaml.ScalarNode) -> object:
        if node.value == "None" and node.style is None:  # what Python writes; quoted, it is a text
            return None
        try:
            value = self.loader.construct_object(node)
        except (ValueError, KeyError):
            kind = node.tag.removeprefix(STANDARD)
            value, mistake = None, f"must be of its type, {kind}. {_source(node)}"
        else:
            mistake = _surprise(node, value)
        if mistake:
            self.file.complain_at(node.start_mark.line + 1, mistake)
        if type(value) is bool and node.value.lower() not in ("true", "false"):
            return Switch(node.value, value)
        return Written(value) if isinstance(value, str) and node.style is None else value


def _surprise(node: yaml.ScalarNode, value: object) -> str:
    if type(value) in (int, float) and SURPRISING.fullmatch(node.value):
        return f"YAML reads {node.value} as {value}: write that, or quote it."
    if isinstance(value, str) and node.style is None and ZEROS.fullmatch(value):
        return f"YAML reads {value} as a text: write {int(value)}, or quote it."
    return ""


def _refusal(node: yaml.Node) -> str:
    if node.tag == STANDARD + "timestamp":
        return f"YAML reads {node.value} as a date: quote it."
    tag = node.tag.replace(STANDARD, "!!")
    return f"the tag `{tag}` is not allowed: a grid holds plain values."


def _source(node: yaml.Node) -> str:
    return f"Received: {node.value if isinstance(node, yaml.ScalarNode) else 'a list or mapping'}"
