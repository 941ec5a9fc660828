"""Executes what has changed, and puts the rendered site in place.

Nothing in the book's own folders is written. Executed chapters are kept by their identity beside
the site, so that only those run again whose code, parameters, helpers or data have changed. The
site of an earlier build stays as it is until the new one is complete; then a rename puts the new
one in its place.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from helpers.batch.ask.kinds import Value
from helpers.batch.ask.parameters import parameters_of, validate
from helpers.batch.book import chapters, read_notebook
from helpers.batch.drive.batch import BatchOptions, run_batch
from helpers.batch.drive.data import check_data
from helpers.batch.drive.progress import Lines, Watcher
from helpers.batch.errors import (
    BatchError,
    ConfigurationError,
    ExecutionError,
    ParameterError,
    RenderError,
    UsageError,
    nearest,
)
from helpers.batch.notebook import Notebook, read
from helpers.batch.results.runs import Run, make_runs, notebook_path
from helpers.batch.results.store import Folder
from helpers.batch.site.sentences import VARIANTS
from helpers.batch.site.sources import copy_sources, merge, site_identity

KEPT = 100  # executed notebooks beside a site; the oldest go first
IDENTITY = ".identity"  # in a site: what it was made from
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
    with _staging(site) as staging:
        kept = site.with_name("html") if variants else site  # what the book itself was made from
        executed = _executed(runs, kept, options, watcher or Lines(say))
        copy_sources(root, staging)
        for page, run in zip(chapters(root), runs, strict=True):
            merged = merge(run.notebook.content, executed[run.id])
            text = json.dumps(merged, ensure_ascii=False)
            (staging / page.relative_to(root)).write_text(text, encoding="utf-8")
        _render(staging, say, variants=variants)
        new = staging / "_out" / "html"
        (new / IDENTITY).write_text(identity)
        _replace(new, site)
    say(f"the book is ready after {time.monotonic() - started:.0f} s: {site / 'index.html'}")
    return site / "index.html"


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
    runs: list[Run], site: Path, options: BatchOptions, watcher: Watcher
) -> dict[str, dict]:
    """Return each chapter's executed notebook; execute those that are not kept beside the site."""
    store = Folder(site.with_name(f".{site.name}-runs"))
    # The longest first, as far as one can tell, so that no processor waits for it at the end.
    order = sorted(runs, key=lambda run: -len(run.notebook.text))
    results = run_batch(order, store=store, name="book", options=options, watcher=watcher)
    failures = [
        f"{result['chapter']} failed: {result['error']}\n{result['traceback']}".strip()
        for result in results
        if result["status"] != "done"
    ]
    if failures:
        raise ExecutionError("\n\n".join(failures))
    executed = {run.id: read_notebook(store.path / notebook_path(run)) for run in runs}
    _forget(store, {run.id for run in runs})
    return executed


def _forget(store: Folder, needed: set[str]) -> None:
    """Remove the oldest of the executed notebooks that no longer belong to the book."""
    folders = [path for path in (store.path / "runs").iterdir() if path.name not in needed]
    folders.sort(key=lambda path: -path.stat().st_mtime)
    for folder in folders[KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)


def _is_made_from(site: Path, identity: str) -> bool:
    try:
        return (site / IDENTITY).read_text() == identity and (site / "index.html").is_file()
    except OSError:
        return False


def _render(staging: Path, say: Say, *, variants: bool) -> None:
    """Render the staging copy in a process of its own: Sphinx and autodoc keep global state."""
    started = time.monotonic()
    out = staging / "_out"
    command = [sys.executable, "-m", "helpers.batch.site.render"]
    done = subprocess.run(
        [*command, staging, out / "html", out / "doctrees"],
        capture_output=True,
        text=True,
        env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "NO_COLOR": "1"}
        | ({VARIANTS: "1"} if variants else {}),
        cwd=Path(__file__).resolve().parents[3],
        check=False,
    )
    if done.returncode:
        complaint = (done.stdout.strip() or done.stderr.strip()).replace(
            f"{staging.resolve()}{os.sep}", ""
        )
        kind = ConfigurationError if done.returncode == 2 else RenderError
        raise kind(complaint or f"the renderer died with exit code {done.returncode}")
    say(f"rendered in {time.monotonic() - started:.1f} s")


def _check_configuration(root: Path) -> None:
    from helpers.batch.site.render import read_configuration

    read_configuration(root / "_config.yml")


def _check_site(site: Path) -> None:
    """Refuse to replace a folder that is no site, or to write where that is not allowed."""
    parent = next(folder for folder in site.parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise UsageError(f"the site's folder must be writable. Received: {site}")
    is_site = (site / "searchindex.js").is_file()
    if site.exists() and not is_site and (not site.is_dir() or any(site.iterdir())):
        raise UsageError(f"the site's folder must be new, empty or a site. Received: {site}")


@contextmanager
def _staging(site: Path) -> Iterator[Path]:
    """Give a fresh folder beside the site, to one build at a time, and remove it at the end."""
    prefix = f".staging-{site.name}-"
    try:
        site.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(site.with_name(f".{site.name}.lock"), timeout=0):
            for left in site.parent.glob(f"{prefix}*"):  # of a build that was killed
                shutil.rmtree(left, ignore_errors=True)
            staging = Path(tempfile.mkdtemp(prefix=prefix, dir=site.parent))
            try:
                yield staging
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except Timeout as error:
        raise UsageError(f"one build at a time. Received: another one is at {site}") from error


def _replace(new: Path, site: Path) -> None:
    """Put the new site where the old one is, by two renames."""
    old = new.with_name("old")
    if site.exists():
        site.rename(old)
    try:
        new.rename(site)
    except OSError as error:
        if old.exists():
            old.rename(site)
        raise BatchError(f"the new site could not be put in place: {error}") from error
