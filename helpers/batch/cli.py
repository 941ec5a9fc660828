"""The command `dnnbook`: thin commands, which import what they need when they run."""

import signal
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path

import click

EPILOG = "Exit codes: 0 all well, 1 a run failed, 2 bad usage (then nothing has run)."


def _reports_errors(command: Callable) -> Callable:
    """Turn this package's errors into one message and the exit code each stands for."""

    @wraps(command)
    def wrapped(**options: object) -> None:
        from helpers.batch.errors import BatchError

        before = signal.signal(signal.SIGTERM, _on_terminate)
        try:
            command(**options)
        except BatchError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(error.exit_code)
        except KeyboardInterrupt as interrupt:
            click.echo("interrupted", err=True)
            sys.exit(143 if interrupt.args == (signal.SIGTERM,) else 130)
        finally:
            signal.signal(signal.SIGTERM, before)

    return wrapped


def _on_terminate(*_: object) -> None:
    raise KeyboardInterrupt(signal.SIGTERM)  # ends everything as Ctrl-C does


def _values(pairs: tuple[tuple[str, str], ...]) -> dict:
    from helpers.batch.ask.written import parse_value
    from helpers.batch.errors import ParameterError

    values: dict = {}
    for name, text in pairs:
        if name in values:
            raise ParameterError(f"each NAME must be given once. Received: {name} again")
        values[name] = parse_value(text)
    return values


given = click.option(
    "parameters",
    "-p",
    "--parameter",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="A parameter's value: JSON, what Python writes, or text.",
)


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dnnbook")
def main() -> None:
    """Run and render the book on training deep networks."""


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for a script.")
timeout = click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds that one run may take; 14,400, which are four hours, if none.",
)
kernel = click.option(
    "--kernel",
    type=click.Choice(["auto", "warm", "spawn"]),
    default="auto",
    show_default=True,
    help="Kernels forked from a warm server, or ordinary ones.",
)
workers = click.option(
    "--workers", type=click.IntRange(min=1), help="Runs at a time here; one a processor if none."
)


again = click.option(
    "--again", multiple=True, metavar="CHAPTER", help="Run this one again, whatever is there."
)


@main.command(epilog="Example: dnnbook params gradients")
@click.argument("chapter")
@as_json
@_reports_errors
def params(chapter: str, as_json: bool) -> None:
    """Show the parameters that CHAPTER declares: name, type, default, meaning.

    CHAPTER is a chapter's name or number, or the path of any notebook.
    """
    from helpers.batch.ask.parameters import read_parameters
    from helpers.batch.book import find_chapter, find_root

    declared = read_parameters(find_chapter(chapter, root=find_root(Path.cwd())))
    if as_json:
        names = ("name", "type_name", "default", "comment")
        _print_json([{name: getattr(item, name) for name in names} for item in declared])
        return
    rows = [("NAME", "TYPE", "DEFAULT", "MEANING")]
    rows += [(item.name, item.type_name, _json(item.default), item.comment) for item in declared]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for *cells, comment in rows:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        click.echo("  ".join([*padded, comment]).rstrip())


@main.command(epilog="Example: dnnbook run gradients -p replicas 2 -o /tmp/runs")
@click.argument("chapter")
@given
@click.option(
    "folder",
    "-o",
    "--output",
    type=Path,
    help="Folder of the executed notebook; `_build/runs` of the book, or of this folder, if none.",
)
@timeout
@kernel
@click.option("--again", is_flag=True, help="Run it again, though it is there.")
@click.option("--keep", "kept_as", type=Path, help="File for what it found, to be committed.")
@as_json
@_reports_errors
def run(
    chapter: str,
    parameters: tuple,
    folder: Path | None,
    timeout: float | None,
    as_json: bool,
    **options: object,
) -> None:
    """Execute CHAPTER once and print its claims.

    CHAPTER is a chapter's name or number, or the path of any notebook of Python. Values can be
    given for what its cell tagged `parameters` declares. The notebook itself stays as it is. What
    ended well is not run again unless something has changed on which it is known to rest.
    """
    from helpers.batch.book import SUFFIXES, find_chapter, find_root, home_of
    from helpers.batch.drive.progress import watcher_for
    from helpers.batch.drive.run import run_once
    from helpers.batch.execute.execution import TIMEOUT
    from helpers.batch.results.records import claim_lines

    if folder is not None and folder.suffix in SUFFIXES and not folder.is_dir():
        rule = "-o must be a folder, in which the executed notebook gets the run's name"
        raise click.UsageError(f"{rule}. Received: {folder}")
    root = find_root(Path.cwd())
    notebook = find_chapter(chapter, root=root)
    watcher = watcher_for(sys.stderr)
    result, executed = run_once(
        notebook,
        _values(parameters),
        folder=folder or home_of(notebook, root=root) / "_build" / "runs",
        timeout=timeout or TIMEOUT,
        watcher=watcher,
        **options,
    )
    before = executed.with_suffix(".before.ipynb")
    if as_json:
        _print_json({**result.as_json(), "notebook": str(executed)})
    elif result.is_done:
        when = f" at {result.started[:16].replace('T', ' ')} UTC" if watcher.kept else ""
        click.echo(f"executed {notebook.stem}{when} in {result.seconds:.1f} s")
        for line in claim_lines(result.records):
            click.echo(line)
        if result.warning:
            click.echo(f"Warning: {notebook.stem}: {result.warning}", err=True)
        click.echo(f"executed notebook: {executed}")
    else:
        click.echo(f"Error: {notebook.stem} failed: {result.error}", err=True)
        click.echo(result.traceback, err=True, nl=bool(result.traceback))
        click.echo(f"executed up to there: {executed}", err=True)
        if before.is_file():
            click.echo(f"as it last ended well: {before}", err=True)
    sys.exit(not result.is_done)


@main.command(epilog="Example: dnnbook batch examples/learning_rate_search.yml --workers 2")
@click.argument("grid", type=Path)
@click.option(
    "output",
    "-o",
    "--output",
    help="Folder or address of the results; in `_build/batch` of the book, or of this folder, if "
    "none.",
)
@workers
@click.option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster, as tls://host:8786.")
@timeout
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    help="Further tries of a run that was lost with its worker; a scheduler that is given counts "
    "dead workers by its own `allowed-failures`. A failing cell is not tried again.",
)
@click.option("--fresh", is_flag=True, help="Run again what is there already.")
@again
@kernel
@click.option("--tls-ca", type=Path, help="Certificate of the cluster's authority.")
@click.option("--tls-cert", type=Path, help="This driver's certificate.")
@click.option("--tls-key", type=Path, help="The key of that certificate.")
@click.option("--allow-plain-tcp", is_flag=True, help="Reach another host without TLS.")
@as_json
@_reports_errors
def batch(grid: Path, output: str | None, as_json: bool, **options: object) -> None:
    """Execute every run of GRID, keep what comes of each, and go on where an earlier call ended.

    GRID is a YAML file: `chapters`, `parameters` (a list is swept, a scalar is fixed), `include`,
    `exclude`, `replicates`, and `files` that the notebooks read. The folder `examples` has some.
    Results are kept as they come; what ended well is not run again unless the code, modules that it
    imports, installed versions, the data or those files have changed.
    """
    from helpers.batch.ask.grid.points import plan
    from helpers.batch.book import find_root, home_of
    from helpers.batch.drive.batch import run_batch
    from helpers.batch.drive.progress import watcher_for
    from helpers.batch.results.store import open_store

    if options["scheduler"] and options["workers"]:
        raise click.UsageError("--workers is for this machine; a scheduler knows its own")
    root = find_root(Path.cwd())
    wanted = plan(grid, root=root)
    if wanted.merged:
        verb = "point is" if wanted.merged == 1 else "points are"
        click.echo(f"{wanted.merged} {verb} equal to another and run once", err=True)
    address = output or str(home_of(grid, root=root) / "_build" / "batch" / wanted.name)
    results = run_batch(
        wanted.runs,
        store=open_store(address),
        name=wanted.name,
        grid=grid,
        options=_batch_options([run.notebook.path for run in wanted.runs], **options),
        watcher=watcher_for(sys.stderr),
    )
    _say_batch(results, address, as_json)
    sys.exit(not all(result.is_done for result in results))


def _batch_options(
    notebooks: Iterable[Path],
    *,
    timeout: float | None,
    kernel: str,
    fresh: bool,
    again: Iterable[str],
    **cluster: object,
) -> object:
    from helpers.batch.book import pick
    from helpers.batch.drive.batch import BatchOptions
    from helpers.batch.drive.cluster import ClusterOptions
    from helpers.batch.execute.execution import TIMEOUT
    from helpers.batch.notebook import absolute

    known = set(notebooks)
    places = {text: absolute(Path(text)) for text in again}
    chosen = frozenset(
        place if place in known else pick(text, known) for text, place in places.items()
    )
    return BatchOptions(ClusterOptions(**cluster), timeout or TIMEOUT, kernel, fresh, chosen)


def _say_batch(results: list, address: str, as_json: bool) -> None:
    from collections import Counter

    counts = Counter(result.status for result in results)
    if as_json:
        names = ("id", "chapter", "given", "status", "error", "warning", "seconds", "records")
        runs = [{name: result.as_json()[name] for name in names} for result in results]
        _print_json({"output": address, "counts": counts, "runs": runs})
        return
    click.echo(", ".join(f"{number} {status}" for status, number in counts.items()))
    click.echo(f"results: {address}")
    click.echo(f"what they say: dnnbook report {address}")


@main.command(epilog="Example: dnnbook report _build/batch/learning_rate_search --by dataset")
@click.argument("output", metavar="DIR")
@click.option("--by", default="dataset", show_default=True, help="Parameter across the matrix.")
@as_json
@_reports_errors
def report(output: str, by: str, as_json: bool) -> None:
    """Make tables and a page of the results in DIR, and show which claims hold where.

    DIR is the folder or the address that `dnnbook batch` wrote to. The tables (Parquet and CSV)
    and the page `index.html`, which needs nothing else, go into its folder `report`.
    """
    from helpers.batch.report.writing import collect, summary_lines, write_report
    from helpers.batch.results.store import open_store

    store = open_store(output)
    collection = collect(store)
    names = write_report(store, collection, by=by)
    if as_json:
        _print_json({"runs": collection.runs, "files": [f"{output}/{name}" for name in names]})
        return
    for line in summary_lines(collection, by):
        click.echo(line)
    for name in names:
        click.echo(f"{output}/{name}")


@main.command(name="confirm", epilog="Example: dnnbook confirm activations -p dataset mnist")
@click.argument("names", metavar="[CHAPTER]...", nargs=-1)
@given
@click.option("--grid", type=Path, help="A grid file: chapters and parameters, run by run.")
@click.option("--again", is_flag=True, help="Of a grid, run again what is there already.")
@timeout
@as_json
@_reports_errors
def confirm_chapters(
    names: tuple[str, ...],
    parameters: tuple,
    grid: Path | None,
    again: bool,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Run each CHAPTER on seeds and draws from 10,000 on, and keep what comes of its claims.

    Without CHAPTER all are run that judge claims over draws. The results go into `results/`,
    to be committed; the boxes of the chapters show from then on which claims were confirmed.

    With a grid, runs are kept one by one, and the same command goes on where it stopped.
    """
    from helpers.batch.book import find_root
    from helpers.batch.execute.execution import TIMEOUT

    root = find_root(Path.cwd())
    if grid is None:
        if again:
            raise click.UsageError("--again is for --grid: without one all is run")
        _confirm_each(names, _values(parameters), root, timeout or TIMEOUT, as_json)
    elif names or parameters or as_json:
        raise click.UsageError("--grid names chapters and parameters itself, and prints no JSON")
    else:
        _confirm_grid(grid, root, timeout or TIMEOUT, again)


def _confirm_each(
    names: tuple[str, ...], values: dict, root: Path, timeout: float, as_json: bool
) -> None:
    from helpers.batch.book import find_chapter
    from helpers.batch.commit.confirm import confirm, confirmable, given_to_confirm

    notebooks = [find_chapter(name, root=root) for name in names] or confirmable(root)
    for notebook in notebooks:
        given_to_confirm(notebook, values, root=root)  # all are asked before any is run
    found = {}
    for notebook in notebooks:
        path, claims = confirm(notebook, values, root=root, timeout=timeout)
        found[str(path.relative_to(root))] = claims
        if not as_json:
            click.echo(f"{path.relative_to(root)}: {len(claims)} claims")
            for id, record in claims.items():
                click.echo(f"{record['verdict']:<13}  {id}")
    if as_json:
        _print_json(found)


def _confirm_grid(grid: Path, root: Path, timeout: float, again: bool) -> None:
    from helpers.batch.commit.replicate import confirm_grid

    errors = confirm_grid(grid, root=root, timeout=timeout, again=again, say=click.echo)
    for error in errors:
        click.echo(f"Error: {error}", err=True)
    sys.exit(bool(errors))


@main.command(epilog="Example: dnnbook build -p dataset fashion_mnist")
@given
@click.option("site", "-o", "--output", type=Path, help="Folder of the site; _build/html if none.")
@workers
@timeout
@kernel
@click.option("--fresh", is_flag=True, help="Execute again what has not changed.")
@again
@click.option(
    "--variants", is_flag=True, help="Show what claims say under every verdict, to be read."
)
@as_json
@_reports_errors
def build(parameters: tuple, site: Path | None, as_json: bool, **options: object) -> None:
    """Execute the chapters that have changed, in parallel, and render the book.

    A parameter reaches every chapter that declares it. The site of an earlier build is replaced
    when the new one is complete, and stays if anything fails.
    """
    from helpers.batch.book import chapters, find_root
    from helpers.batch.drive.progress import watcher_for
    from helpers.batch.notebook import absolute
    from helpers.batch.site.build import build as build_book

    root = find_root(Path.cwd())
    values = _values(parameters)
    variants = options.pop("variants")
    site = (site or root / "_build" / ("variants" if variants else "html")).absolute()
    cluster = {"workers": options.pop("workers")}
    page = build_book(
        root,
        site=site,
        parameters=values,
        options=_batch_options(map(absolute, chapters(root)), **options, **cluster),
        say=lambda line: click.echo(line, err=as_json),
        watcher=watcher_for(sys.stderr),
        variants=variants,
    )
    if as_json:
        _print_json({"page": str(page)})


def _json(value: object) -> str:
    import json

    return json.dumps(value)


def _print_json(value: object) -> None:
    import json

    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
