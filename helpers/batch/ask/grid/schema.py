"""The schema of a grid file. What its values mean for the notebooks is the matter of `points`."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from helpers.batch.ask.grid.file import GridFile, Reading, read_text, received
from helpers.batch.errors import nearest

ALL = "all"


def _chapter(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("must be a chapter's name or number, or a notebook's path")
    return str(value)


def _not_empty(value: object) -> object:
    if value == []:
        raise ValueError("must have at least one value")
    return value


def _listed(value: object) -> object:
    """Return what stands alone as a list of it."""
    return [value] if isinstance(value, str | int) and not isinstance(value, bool) else value


class Entry(BaseModel):
    """One entry of `exclude` or `include`: a chapter, or none, and values of parameters."""

    model_config = ConfigDict(extra="allow", frozen=True)
    chapter: Annotated[str | None, BeforeValidator(_chapter)] = None  # null is no chapter

    @model_validator(mode="after")
    def _names_something(self) -> "Entry":
        if not self.model_fields_set:
            raise ValueError("must not be empty")
        return self


class Grid(BaseModel):
    """What a grid file holds; `chapters` is `["all"]` for the word `all`.

    >>> Grid(chapters=["gradients", 2], parameters={"depth": [5, 10]}).chapters
    ['gradients', '2']
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    chapters: Annotated[
        list[Annotated[str, BeforeValidator(_chapter)]],
        BeforeValidator(_listed),
        Field(min_length=1),
    ]
    parameters: dict[str, Annotated[Any, AfterValidator(_not_empty)]] = {}
    exclude: list[Annotated[Entry, Field(strict=False)]] = []
    include: list[Annotated[Entry, Field(strict=False)]] = []
    files: Annotated[list[str], BeforeValidator(_listed)] = []
    replicates: int = Field(default=1, ge=1, le=1000)


def read_grid(path: Path) -> GridFile:
    """Read a grid file.

    Args:
        path: the file, in YAML and UTF-8.

    Returns:
        The grid with the lines of its keys and values, and no mistakes: none that can be seen
        without the notebooks.

    Raises:
        GridError: The file cannot be read, is no YAML, or does not follow the schema.
    """
    file = open_grid(path)
    file.require()
    return file


def open_grid(path: Path) -> GridFile:
    """Read a grid file as `read_grid`, but leave mistakes against the schema for `require`.

    So the notebooks can be asked about the rest, and all mistakes are reported together.

    Raises:
        GridError: The file cannot be read or is no YAML.
    """
    file = GridFile(path)
    reading = Reading(file, read_text(path))
    data = reading.data()
    file.require()
    if data is None:
        file.complain_at(0, "must be a mapping with the key `chapters`. Received: an empty file")
    elif not isinstance(data, dict):
        file.complain(f"must be a mapping with the key `chapters`. {received(data)}")
    else:
        _follow_schema(file, data)
    return file


def _follow_schema(file: GridFile, data: dict) -> None:
    """Set the grid, or the part of it that is right, and note what is wrong."""
    optional = Grid.model_fields.keys() - {"chapters"}  # a key without content is as good as none
    data = {key: value for key, value in data.items() if value is not None or key not in optional}
    try:
        file.grid = Grid.model_validate(data)
    except ValidationError as failure:
        errors = failure.errors(include_url=False)
        for error in errors:
            _note(file, error)
        wrong = {error["loc"][0] for error in errors}
        right = {key: value for key, value in data.items() if key not in wrong}
        file.grid = Grid.model_validate(right) if "chapters" in right else None


RULES = {
    "list_type": "must be a list",
    "string_type": "must be text",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "int_type": "must be a whole number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must not be empty",
    "value_error": "{error}",
}


def _note(file: GridFile, error: dict) -> None:
    """Put one of pydantic's errors into this project's words."""
    *outer, last = place = error["loc"]
    if error["type"] == "missing":
        file.complain(f"`{last}` must be given.", *place)
    elif error["type"] == "extra_forbidden":
        hint = nearest(str(last), Grid.model_fields)
        file.complain(f"`{last}` is not a key of a grid. {hint}", *place, key=True)
    else:
        subject = f"each entry of `{outer[-1]}`" if isinstance(last, int) else f"`{last}`"
        rule = RULES.get(error["type"], error["msg"]).format(**error.get("ctx", {}))
        file.complain(f"{subject} {rule}. {received(error['input'])}", *place)
