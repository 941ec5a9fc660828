"""The command `dnnbook`: thin commands, which import what they need when they run."""

import signal
import sys
from collections.abc import Callable
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
    from helpers.batch.errors import ParameterError
    from helpers.batch.parameters import parse_value

    values = {name: parse_value(text) for name, text in pairs}
    if len(values) < len(pairs):
        raise ParameterError("each NAME must be given once.")
    return values


given = click.option(
    "parameters",
    "-p",
    "--parameter",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="A parameter's value: a number, true, false, null, a list in JSON, or text.",
)


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dnnbook")
def main() -> None:
    """Run and render the book on training deep networks."""


@main.command(epilog="Example: dnnbook params gradients")
@click.argument("chapter")
@_reports_errors
def params(chapter: str) -> None:
    """Show the parameters that CHAPTER declares: name, type, default, meaning.

    CHAPTER is a chapter's name or number, or the path of any notebook.
    """
    from helpers.batch.chapters import find_chapter, find_root
    from helpers.batch.parameters import read_parameters

    declared = read_parameters(find_chapter(chapter, root=find_root(Path.cwd())))
    rows = [("NAME", "TYPE", "DEFAULT", "MEANING")]
    rows += [(item.name, item.type_name, _json(item.default), item.comment) for item in declared]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for *cells, comment in rows:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        click.echo("  ".join([*padded, comment]).rstrip())


@main.command(epilog="Example: dnnbook run gradients -p replicas 2 -o /tmp/runs")
@click.argument("chapter")
@given
@click.option("folder", "-o", "--output", type=Path, help="Folder of the executed notebook.")
@_reports_errors
def run(chapter: str, parameters: tuple, folder: Path | None) -> None:
    """Execute CHAPTER once and print its claims.

    CHAPTER is a chapter's name or number, or the path of any notebook that has a cell tagged
    `parameters`. The notebook itself stays as it is.
    """
    from helpers.batch.chapters import find_chapter, find_root
    from helpers.batch.records import claim_lines, read_records
    from helpers.batch.run import run_once

    root = find_root(Path.cwd())
    notebook = find_chapter(chapter, root=root)
    values = _values(parameters)
    executed = run_once(notebook, values, folder=folder or root / "_build" / "runs", say=click.echo)
    for line in claim_lines(read_records(executed)):
        click.echo(line)
    click.echo(f"executed notebook: {executed}")


@main.command(epilog="Example: dnnbook build -p dataset fashion_mnist")
@given
@click.option("site", "-o", "--output", type=Path, help="Folder of the site; _build/html if none.")
@_reports_errors
def build(parameters: tuple, site: Path | None) -> None:
    """Execute every chapter and render the book.

    A parameter reaches every chapter that declares it. The site of an earlier build is replaced
    when the new one is complete, and stays if anything fails.
    """
    from helpers.batch.build import build as build_book
    from helpers.batch.chapters import find_root

    root = find_root(Path.cwd())
    values = _values(parameters)
    site = (site or root / "_build" / "html").absolute()
    build_book(root, site=site, parameters=values, say=click.echo)


def _json(value: object) -> str:
    import json

    return json.dumps(value)


if __name__ == "__main__":
    main()
