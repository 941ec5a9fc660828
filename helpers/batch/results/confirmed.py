"""What confirming runs left in `results/`: a file for each chapter, in it a run for each data set.

A run is `parameters` that it was given, `claims` by their ids, and `machine`: on which kind of
processor it was made, in how many seconds by the clock, with which versions.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from helpers.batch.errors import NotebookError
from helpers.batch.results.store import Folder

SCHEMA = 1
FOLDER = "results"
DATASETS = {  # in the order in which they are shown
    "digits": "digits",
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10",
}


def results_of(root: Path) -> list[Path]:
    """Return the files of results of the book in `root`."""
    return sorted((root / FOLDER).rglob("*.json"))


def read_confirmed(root: Path, chapter: str) -> dict[str, dict]:
    """Return the confirming runs of a chapter: data set → run.

    Args:
        root: the book's folder.
        chapter: its name, without a number.

    Raises:
        NotebookError: The file is damaged.
    """
    path = root / FOLDER / f"{chapter}.json"
    if not path.is_file():
        return {}
    try:
        whole = json.loads(path.read_text("utf-8"))
        runs = whole["data"]
        is_own = whole["schema"] == SCHEMA and all(
            isinstance(run["parameters"], dict)
            and all(record["verdict"] for record in run["claims"].values())
            for run in runs.values()
        )
        if not is_own:
            raise ValueError("something else")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotebookError(
            f"{path.name} must hold the results of `dnnbook confirm`. Received: {error!r}"
        ) from error
    return runs


def keep_confirmed(root: Path, chapter: str, data: str, run: Mapping) -> Path:
    """Put a run behind those of its chapter, or in the place of an earlier one on that data set.

    So the first run stays the first: it is the one that confirms a claim that looks at no images.
    Runs of other data sets that end at the same time wait for each other.
    """
    from filelock import FileLock

    path = root / FOLDER / f"{chapter}.json"
    build = root / "_build"
    for folder in (path.parent, build):
        folder.mkdir(exist_ok=True)
    with FileLock(build / f".{chapter}.lock"):
        runs = read_confirmed(root, chapter) | {data: _sorted(run)}
        whole = {"schema": SCHEMA, "data": runs}
        text = json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False)
        Folder(path.parent).write_text(path.name, text + "\n")
    return path


def _sorted(data: object) -> object:
    """Return JSON data with the keys of all mappings sorted, so that diffs stay small."""
    if isinstance(data, Mapping):
        return {key: _sorted(data[key]) for key in sorted(data)}
    return data
