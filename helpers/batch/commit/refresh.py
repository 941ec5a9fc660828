"""Executes the committed notebooks in place and normalizes them, so that diffs stay small."""

import re
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from helpers.batch.ask.identity import changed, digests
from helpers.batch.ask.run import make_run
from helpers.batch.book import chapters, find_chapter, find_root
from helpers.batch.drive.worker import require_unchanged
from helpers.batch.errors import BatchError, InfrastructureError
from helpers.batch.execute.execution import execute, require
from helpers.batch.results.store import Folder
from helpers.batch.site.sentences import with_sentences

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
# What papermill and Jupyter note about one execution or one user's window.
PASSING = {"collapsed", "execution", "ExecuteTime", "jp-MarkdownHeadingCollapsed", "papermill"}


def normalize(notebook: dict) -> dict:
    """Return the notebook without what differs from one execution to the next.

    Args:
        notebook: the content of a notebook file of format 4.

    Returns:
        A new notebook: no timing, the kernel by its general name, and for each cell an id that
        follows from its text, so that it stays when other cells come and go.
    """
    metadata = {key: value for key, value in notebook["metadata"].items() if key not in PASSING}
    metadata["kernelspec"] = dict(KERNELSPEC)
    metadata["language_info"] = {"name": "python"}
    taken: set[str] = set()
    cells = [_normalize_cell(cell, taken) for cell in notebook["cells"]]
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _normalize_cell(cell: dict, taken: set[str]) -> dict:
    cell = dict(cell)
    cell["metadata"] = {key: value for key, value in cell["metadata"].items() if key not in PASSING}
    if cell["metadata"].get("tags") == []:
        del cell["metadata"]["tags"]
    cell["source"] = "".join(cell["source"]).rstrip()
    cell["id"] = cell_id(cell["source"], taken)
    return cell


def cell_id(source: str, taken: set[str]) -> str:
    """Return an id made of a cell's first words, and add it to those that are taken.

    >>> taken = set()
    >>> cell_id("# Why do they stop?", taken), cell_id("## why do they stop", taken)
    ('why-do-they-stop', 'why-do-they-stop-2')
    """
    first = next((line for line in source.splitlines() if re.search(r"\w", line)), "")
    plain = unicodedata.normalize("NFKD", first).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)[:6] or ["cell"]
    base = "-".join(words)[:40].strip("-")
    candidate, number = base, 1
    while candidate in taken:
        number += 1
        candidate = f"{base}-{number}"
    taken.add(candidate)
    return candidate


def refresh(notebook: Path, *, wanted: Callable[[], bool] = lambda: True) -> float:
    """Execute a notebook and put the normalized result in its place, by a rename.

    Args:
        notebook: a committed chapter.
        wanted: asked now and then; when it says no, the kernel is killed.

    Returns:
        Seconds that the execution took.

    Raises:
        ExecutionError: A cell failed; the file is as it was.
        InfrastructureError: The notebook or something on which it rests changed while it ran; the
            file is as it was saved meanwhile.
    """
    import nbformat

    before = digests([notebook], notebook.parent)
    run = make_run(notebook, {})
    outcome = execute(run, kernel="spawn", wanted=wanted)
    require(outcome, notebook.stem)
    normal = normalize(with_sentences(nbformat.reads(outcome.notebook, as_version=4)))
    text = nbformat.writes(nbformat.from_dict(normal)) + "\n"
    what = f"{notebook.name} is not refreshed, for something changed while it ran"
    require_unchanged(run, what, elsewhere=False)
    if changed(before, notebook.parent):
        raise InfrastructureError(f"{what}: {notebook.name}. The same command runs it again")
    Folder(notebook.parent).write_text(notebook.name, text)
    return outcome.seconds


def refresh_all(
    notebooks: Iterable[Path], *, say: Callable[[str], None] = print, jobs: int = 2
) -> list[BatchError]:
    """Refresh notebooks, several at a time, and return the errors of those that failed."""
    errors = []
    stopped = threading.Event()
    with ThreadPoolExecutor(jobs) as pool:
        futures = {
            notebook: pool.submit(refresh, notebook, wanted=lambda: not stopped.is_set())
            for notebook in notebooks
        }
        try:
            for notebook, future in futures.items():
                try:
                    say(f"refreshed {notebook.stem} in {future.result():.1f} s")
                except BatchError as error:
                    errors.append(error)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stopped.set()
            raise
    return errors


def main() -> int:
    """Refresh the chapters that the arguments name, or all; return the exit code."""
    root = find_root(Path.cwd())
    try:
        named = [find_chapter(text, root=root) for text in sys.argv[1:]]
        errors = refresh_all(named or chapters(root))
    except BatchError as error:
        errors = [error]
    for error in errors:
        print(f"Error: {error}", file=sys.stderr)
    return max((error.exit_code for error in errors), default=0)


if __name__ == "__main__":
    sys.exit(main())
