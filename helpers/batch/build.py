"""Executes every chapter into a staging copy and puts the rendered site in place.

Nothing in the book's own folders is written. The site of an earlier build stays as it is until the
new one is complete; then a rename puts the new one in its place.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from helpers.batch.chapters import chapters, read_toc
from helpers.batch.errors import (
    BatchError,
    ConfigurationError,
    ExecutionError,
    ParameterError,
    RenderError,
    UsageError,
    nearest,
)
from helpers.batch.execution import execute, require, stop_all
from helpers.batch.parameters import Value, read_parameters, validate
from helpers.batch.run import check_data

JOBS = 2  # chapters at a time
Say = Callable[[str], None]


def build(
    root: Path, *, site: Path, parameters: Mapping[str, Value], say: Say = print, jobs: int = JOBS
) -> Path:
    """Execute all chapters and render the book.

    Args:
        root: the book's folder, with `_config.yml` and `_toc.yml`.
        site: the folder of the finished site; replaced as a whole.
        parameters: values by name, each for every chapter that declares the name.
        say: takes one line of progress at a time.
        jobs: how many chapters run at a time.

    Returns:
        The site's first page.

    Raises:
        UsageError: The request is wrong; nothing has run.
        ExecutionError: A chapter failed; the earlier site is as it was.
        RenderError: A page has a warning; the earlier site is as it was.
    """
    assigned = assign(root, parameters)
    check_data(parameters)
    _check_site(site)
    _check_configuration(root)
    started = time.monotonic()
    with _staging(site) as staging:
        copy_sources(root, staging)
        _execute_all(assigned, staging, root=root, say=say, jobs=jobs)
        _render(staging, say)
        _replace(staging / "_out" / "html", site)
    say(f"the book is ready after {time.monotonic() - started:.0f} s: {site / 'index.html'}")
    return site / "index.html"


def assign(root: Path, parameters: Mapping[str, Value]) -> dict[Path, dict[str, Value]]:
    """Give each chapter those of the parameters that it declares, validated.

    Raises:
        ParameterError: No chapter declares a name, or a value is not what its parameter takes.
    """
    declared = {notebook: read_parameters(notebook) for notebook in chapters(root)}
    names = {parameter.name for known in declared.values() for parameter in known}
    for name in parameters:
        if name not in names:
            raise ParameterError(
                "NAME must be a parameter that a chapter declares. "
                f"Received: {name}. {nearest(name, names)}"
            )
    assigned = {}
    for notebook, known in declared.items():
        own = {parameter.name for parameter in known} & set(parameters)
        assigned[notebook] = validate({name: parameters[name] for name in own}, known)
    return assigned


def copy_sources(root: Path, staging: Path) -> None:
    """Copy what the book is made of: its configuration and every folder that holds a page."""
    folders = {page.relative_to(root).parts[0] for page in read_toc(root)}
    ignore = shutil.ignore_patterns(".*", "__pycache__", "_build")
    for name in sorted({"_config.yml", "_toc.yml"} | folders):
        if (root / name).is_dir():
            shutil.copytree(root / name, staging / name, ignore=ignore)
        else:
            shutil.copy2(root / name, staging / name)


def _execute_all(
    assigned: Mapping[Path, dict[str, Value]], staging: Path, *, root: Path, say: Say, jobs: int
) -> None:
    """Execute each chapter's copy; let the others finish when one fails, then raise."""
    failures = []
    # Kernels that each use all processors wait for each other more than they compute.
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with ThreadPoolExecutor(jobs) as pool:
        futures = {}
        for notebook, parameters in assigned.items():
            copied = staging / notebook.relative_to(root)
            future = pool.submit(execute, copied, copied, parameters=parameters, threads=threads)
            futures[future] = notebook
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                notebook, outcome = futures[future], future.result()
                verb = "failed" if outcome.error else "executed"
                say(f"[{done}/{len(futures)}] {verb} {notebook.stem} in {outcome.seconds:.1f} s")
                try:
                    require(outcome, notebook)
                except ExecutionError as error:
                    failures.append(str(error))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop_all()
            raise
    if failures:
        raise ExecutionError("\n\n".join(failures))


def _render(staging: Path, say: Say) -> None:
    """Render the staging copy in a process of its own: Sphinx and autodoc keep global state."""
    started = time.monotonic()
    out = staging / "_out"
    command = [sys.executable, "-m", "helpers.batch.render"]
    done = subprocess.run(
        [*command, staging, out / "html", out / "doctrees"],
        capture_output=True,
        text=True,
        env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "NO_COLOR": "1"},
        cwd=Path(__file__).resolve().parents[2],
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
    from helpers.batch.render import read_configuration

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
