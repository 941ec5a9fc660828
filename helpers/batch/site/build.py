"""Executes what has changed, and puts the rendered site in place.

Nothing in the book's own folders is written. Executed chapters are kept by their identity beside
the site, so that only those run again whose code, parameters, helpers or data have changed. Where
there is no site yet, one with the committed outputs is there first, marked so, and each page is
replaced when its chapter has run. The site of an earlier build stays as it is until the new one is
complete; then a rename puts the new one in its place.
"""

import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from helpers.batch.ask.kinds import Value
from helpers.batch.ask.parameters import parameters_of
from helpers.batch.ask.run import Run, make_runs
from helpers.batch.ask.validation import validate
from helpers.batch.book import chapters
from helpers.batch.drive.batch import BatchOptions, run_batch
from helpers.batch.drive.data import check_data
from helpers.batch.drive.progress import Lines, Watcher
from helpers.batch.errors import (
    ExecutionError,
    ParameterError,
    UsageError,
    nearest,
)
from helpers.batch.notebook import Notebook, read, read_notebook
from helpers.batch.results.result import load, notebook_path
from helpers.batch.results.store import Folder
from helpers.batch.site.publishing import IDENTITY, finish, is_ours, is_unfinished, one_build
from helpers.batch.site.rendering import Rendering
from helpers.batch.site.sources import site_identity
from helpers.batch.site.unfinished import Chapters, Unfinished

KEPT = 100  # executed notebooks beside a site; the oldest go first
Say = Callable[[str], None]


def build(
    root: Path,
    *,
    site: Path,
    parameters: Mapping[str, Value],
    options: BatchOptions | None = None,
    say: Say = print,
    watcher: Watcher | None = None,
    variants: bool = False,
) -> Path:
    """Execute the chapters that have changed, and render the book if anything has.

    Args:
        root: the book's folder, with `_config.yml` and `_toc.yml`.
        site: the folder of the finished site; replaced as a whole.
        parameters: values by name, each for every chapter that declares the name.
        options: how the chapters are executed.
        say: takes one line of progress at a time.
        watcher: is told how the executions go; says lines if not given.
        variants: whether claims say what they would under every verdict, for a person to read.

    Returns:
        The site's first page.

    Raises:
        UsageError: The request is wrong; nothing has run.
        ExecutionError: A chapter failed; the earlier site is as it was.
        RenderError: A page has a warning; the earlier site is as it was.
    """
    started, options = time.monotonic(), options or BatchOptions()
    assigned = assign(root, parameters)
    _check_site(site)
    runs = make_runs(assigned)
    identity = site_identity(root, runs) + " with variants" * variants
    if _is_made_from(site, identity) and not (options.fresh or options.again):
        say(f"nothing has changed: {site / 'index.html'}")
        return site / "index.html"
    _check_configuration(root)
    check_data(runs)
    with one_build(site):
        rendering = Rendering(site.with_name(f".{site.name}-rendering"), variants=variants)
        kept = site.with_name("html") if variants else site  # what the book itself was made from
        store = Folder(kept.with_name(f".{kept.name}-runs"))
        unfinished = Unfinished(
            Chapters(root, runs),
            rendering,
            site=site,
            read=lambda id: read_notebook(store.path / f"runs/{id}/notebook.ipynb"),
            say=say,
            watcher=watcher or Lines(say),
        )
        if is_unfinished(site):
            unfinished.begin_with({} if options.fresh or options.again else _kept(runs, store))
        with unfinished.at_work():
            executed = _executed(runs, store, options, unfinished)
        unfinished.render(executed)
        finish(rendering.pages, site, identity)
    say(f"the book is ready after {time.monotonic() - started:.0f} s: {site / 'index.html'}")
    return site / "index.html"


def _kept(runs: list[Run], store: Folder) -> dict[str, dict]:
    """Return the executed notebooks of chapters that need not run, by the runs' ids."""
    results = {run.id: load(store, run) for run in runs}
    return {
        run.id: read_notebook(store.path / notebook_path(run))
        for run in runs
        if results[run.id] and results[run.id].is_done
    }


def assign(root: Path, parameters: Mapping[str, Value]) -> list[tuple[Notebook, dict[str, Value]]]:
    """Read each chapter, and give it those of the parameters that it declares, validated.

    Raises:
        ParameterError: No chapter declares a name, or a value is not what its parameter takes.
    """
    notebooks = [read(notebook) for notebook in chapters(root)]
    declared = [parameters_of(notebook) for notebook in notebooks]
    names = {parameter.name for known in declared for parameter in known}
    for name in parameters:
        if name not in names:
            raise ParameterError(
                "NAME must be a parameter that a chapter declares. "
                f"Received: {name}. {nearest(name, names)}"
            )
    assigned = []
    for notebook, known in zip(notebooks, declared, strict=True):
        own = {parameter.name for parameter in known} & set(parameters)
        assigned.append((notebook, validate({name: parameters[name] for name in own}, known)))
    return assigned


def _executed(
    runs: list[Run], store: Folder, options: BatchOptions, watcher: Watcher
) -> dict[str, dict]:
    """Return each chapter's executed notebook; execute those that are not kept beside the site."""
    # The longest first, as far as one can tell, so that no processor waits for it at the end.
    order = sorted(runs, key=lambda run: -len(run.notebook.text))
    results = run_batch(order, store=store, name="book", options=options, watcher=watcher)
    failures = [
        f"{result.chapter} failed: {result.error}\n{result.traceback}".strip()
        for result in results
        if not result.is_done
    ]
    if failures:
        raise ExecutionError("\n\n".join(failures))
    executed = {run.id: read_notebook(store.path / notebook_path(run)) for run in runs}
    _forget(store, {run.id for run in runs})
    return executed


def _forget(store: Folder, needed: set[str]) -> None:
    """Remove the oldest of the executed notebooks that no longer belong to the book."""
    found = (store.path / "runs").glob("*")  # a book of texts alone has none
    folders = [path for path in found if path.name not in needed]
    folders.sort(key=lambda path: -path.stat().st_mtime)
    for folder in folders[KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)


def _is_made_from(site: Path, identity: str) -> bool:
    try:
        return (site / IDENTITY).read_text() == identity and (site / "index.html").is_file()
    except OSError:
        return False


def _check_configuration(root: Path) -> None:
    from helpers.batch.site.configuration import read_configuration

    read_configuration(root / "_config.yml")


def _check_site(site: Path) -> None:
    """Refuse to replace what no build has written, or to write where that is not allowed."""
    parent = next(folder for folder in site.parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise UsageError(f"the site's folder must be writable. Received: {site}")
    if site.exists() and not is_ours(site) and (not site.is_dir() or any(site.iterdir())):
        raise UsageError(
            "the site's folder must be new, empty, or one that `dnnbook build` wrote, and hold no "
            f"`.git`. Received: {site}"
        )
