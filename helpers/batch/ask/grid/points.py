"""From a grid to the runs that it asks for.

First everything that the grid says is checked against the notebooks' declarations, and all
mistakes are reported together. The rest is pure: combinations, less `exclude`, with `include`,
repeated with other seeds, equal ones merged. `exclude` and `include` mean what they mean in the
matrices of GitHub Actions, with `chapter` as one more key.
"""

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from helpers.batch.ask.grid.checks import Chapter, Rule, check_entry, read_chapters, read_files
from helpers.batch.ask.grid.file import GridFile, received
from helpers.batch.ask.grid.schema import open_grid
from helpers.batch.ask.kinds import Value, equal
from helpers.batch.ask.run import Run, make_runs
from helpers.batch.book import chapter_name

RUN_LIMIT = 10_000


# Replica k of a chapter uses seed + k. Replicates of a point must not train the same replicas, so
# their seeds lie further apart than any chapter has replicas. They also lie above those from 10,000
# on, which `dnnbook confirm` takes because nobody has looked at them.
SEED_STEP = 1_000_000


@dataclass(frozen=True)
class Plan:
    """All runs of a grid.

    Attributes:
        name: the grid file's name without its suffix.
        runs: in their order, no two of them equal.
        merged: how many more there would be if equal ones ran separately.
    """

    name: str
    runs: list[Run]
    merged: int


@dataclass(frozen=True)
class _Combination:
    """A run in the making: `matrix` stays as it is, `added` comes from `include`.

    It is no `Run` yet, for what is excluded or extended needs no identity.
    """

    chapter: Chapter
    matrix: dict[str, Value]
    added: dict[str, Value]

    @property
    def given(self) -> dict[str, Value]:
        return self.matrix | self.added

    @property
    def seed(self) -> Value:
        declared = self.chapter.declared.get("seed")
        return self.given.get("seed", declared and declared.default)


def plan(path: Path, *, root: Path) -> Plan:
    """Read a grid file and return the runs that it asks for.

    They come in the order of the grid's chapters, then of the values, the last parameter
    fastest; then those that `include` adds. The replicates of a point stand together.

    Args:
        path: the grid file.
        root: the book's folder.

    Returns:
        The plan; it has at least one run.

    Raises:
        GridError: The file has mistakes. All that can be seen together are listed together.
        ConfigurationError: `_toc.yml` of the book cannot be read.
    """
    file = open_grid(path)
    if file.grid is None:
        file.require()
    known = read_chapters(file, root=root)
    excludes, includes = (
        [
            check_entry(file, (kind, number), known, root=root)
            for number in range(len(getattr(file.grid, kind)))
        ]
        for kind in ("exclude", "include")
    )
    files = read_files(file)
    file.require()
    combinations = _combinations(file, list(known.values()))
    combinations = _include(_exclude(file, combinations, excludes), includes)
    _check_count(file, len(combinations))
    _check_seeds(file, combinations)
    points = [copy for one in combinations for copy in replicated(one, file.grid.replicates)]
    runs = make_runs(((point.chapter.notebook, point.given) for point in points), files=files)
    kept = merged(runs)
    return Plan(path.stem, kept, len(runs) - len(kept))


def _check_count(file: GridFile, count: int) -> None:
    count *= file.grid.replicates
    if not count:
        file.complain_at(0, "a grid must ask for at least one run. Received: none")
    if count > RUN_LIMIT:
        rule = f"a grid must ask for at most {RUN_LIMIT:,} runs, with those that it excludes"
        file.complain_at(0, f"{rule}. Received: {count:,}")
    file.require()


def _check_seeds(file: GridFile, combinations: list[_Combination]) -> None:
    """Note the chapters that cannot be repeated with other seeds."""
    last = (file.grid.replicates - 1) * SEED_STEP
    for combination in combinations if last else []:
        name, seed = chapter_name(combination.chapter.notebook.path), combination.seed
        if type(seed) is not int:
            rule = f"above 1 needs a parameter `seed` that is a whole number; {name} has none"
            file.complain(f"`replicates` {rule}. {received(file.grid.replicates)}", "replicates")
        elif allowed := _disregarded(combination, seed + last):
            rule = f"must keep every seed {allowed}. {received(file.grid.replicates)}"
            file.complain(f"`replicates` {rule}, the last seed {seed + last}", "replicates")
    file.require()


def _disregarded(combination: _Combination, seed: int) -> str:
    """Return where the seeds must lie of which this is none; nothing if it is one."""
    rule, _ = combination.chapter.declared["seed"].range.complaint(seed)
    return rule.removeprefix("must be ") or ("below 2**32" if seed >= 2**32 else "")


def _combinations(file: GridFile, known: list[Chapter]) -> list[_Combination]:
    """Return every combination of the chapters' axes, the last axis fastest."""
    _check_count(file, sum(math.prod(map(len, chapter.axes.values())) for chapter in known))
    return [
        _Combination(chapter, dict(zip(chapter.axes, values, strict=True)), {})
        for chapter in known
        for values in itertools.product(*chapter.axes.values())
    ]


def _exclude(
    file: GridFile, combinations: list[_Combination], rules: list[Rule]
) -> list[_Combination]:
    """Leave out the combinations that have all values of a rule; note a rule that finds none."""
    excluded = set()
    for rule in rules:
        found = {
            number
            for number, combination in enumerate(combinations)
            if (wanted := rule.wanted(combination.chapter)) is not None
            and all(
                name in combination.matrix and equal(combination.matrix[name], value)
                for name, value in wanted.items()
            )
        }
        if not found:
            file.complain("this entry of `exclude` matches no combination.", *rule.place)
        excluded |= found
    return [one for number, one in enumerate(combinations) if number not in excluded]


def _include(combinations: list[_Combination], rules: list[Rule]) -> list[_Combination]:
    """Extend the combinations that a rule does not contradict, else add the rule's own."""
    new = []
    for rule in rules:
        extended = [_extended(combination, rule) for combination in combinations]
        if any(extended):
            combinations = [
                after or before for before, after in zip(combinations, extended, strict=True)
            ]
        else:
            new += [_Combination(chapter, chapter.fixed | own, {}) for chapter, own in rule.values]
    return [*combinations, *new]


def _extended(combination: _Combination, rule: Rule) -> _Combination | None:
    """Return the combination with the rule's values; None if it has others or is not concerned."""
    wanted = rule.wanted(combination.chapter)
    if wanted is None or any(
        not equal(combination.matrix.get(name, value), value) for name, value in wanted.items()
    ):
        return None
    return replace(combination, added=combination.added | wanted)


def replicated(combination: _Combination, count: int) -> list[_Combination]:
    """Return a combination as often as asked for, each time with a seed of its own."""
    copies = [combination]
    for number in range(1, count):
        seed = {"seed": combination.seed + number * SEED_STEP}
        copies.append(replace(combination, added=combination.added | seed))
    return copies


def merged(runs: Iterable[Run]) -> list[Run]:
    """Return the runs without those that equal an earlier one, whatever they were given."""
    first: dict[str, Run] = {}
    for run in runs:
        first.setdefault(run.identity, run)
    return list(first.values())
