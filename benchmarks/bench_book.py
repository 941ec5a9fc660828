"""The book built from nothing; against jupyter-book; and again with less to do.

With ``--quick`` it is the small book of the tests, of one chapter.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import QUICK, ROOT, environment, seconds, write_rows

from helpers.batch.ask.identity import imported_digests
from helpers.batch.book import chapters
from helpers.batch.notebook import read_notebook
from helpers.batch.site.sources import source_files

DNNBOOK = [sys.executable, "-m", "helpers.batch.cli"]


def jupyter_book(book: Path, folder: Path) -> None:
    """Build the same pages with `execute_notebooks: force`."""
    for file in source_files(book):
        copied = folder / file.relative_to(book)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copied)
    configuration = folder / "_config.yml"
    text = configuration.read_text()
    forced = text.replace('execute_notebooks: "off"', "execute_notebooks: force\n  timeout: 600")
    assert forced != text
    configuration.write_text(forced)
    command = [Path(sys.executable).with_name("jupyter-book"), "build", folder]
    subprocess.run(command, check=True, env=environment(ROOT), capture_output=True)


def dnnbook_build(book: Path) -> str:
    """Build what has changed, and return what is said."""
    options = {"cwd": book, "env": environment(ROOT), "capture_output": True, "text": True}
    done = subprocess.run([*DNNBOOK, "build"], check=True, **options)
    return done.stdout + done.stderr


def edited(topic: str) -> tuple[set[str], set[str]]:
    """Append a comment to a topic's package; return the chapters that run, and that import it."""
    module = ROOT / "helpers" / topic / "__init__.py"
    before = module.read_text("utf-8")
    importing = {
        notebook.stem
        for notebook in chapters(ROOT)
        if f"{topic}/__init__.py" in imported_digests(read_notebook(notebook))
    }
    try:
        module.write_text(before + "# An edit.\n", "utf-8")
        lines = dnnbook_build(ROOT).splitlines()
    finally:
        module.write_text(before, "utf-8")
    ran = {line.split()[2].rsplit("-", 1)[0] for line in lines if line.startswith("[")}
    return ran, importing


def small_book(root: Path) -> Path:
    """Copy the small book of the tests, with the settings of the real one, and return its root."""
    shutil.copytree(ROOT / "tests" / "fixtures" / "small_book", root)
    shutil.copy(ROOT / "_config.yml", root)
    shutil.copytree(ROOT / "book" / "_static", root / "book" / "_static")
    shutil.copy(ROOT / "book" / "references.bib", root / "book")
    return root


def measured(book: Path) -> list[dict]:
    """Return what a build takes where nothing was built, and where nothing has changed."""
    shutil.rmtree(book / "_build", ignore_errors=True)
    ours = seconds(lambda: dnnbook_build(book))
    with tempfile.TemporaryDirectory() as folder:
        theirs = seconds(lambda: jupyter_book(book, Path(folder)))
    again = seconds(lambda: dnnbook_build(book))
    return [
        {"what": "dnnbook build, from nothing built, s", "value": round(ours)},
        {"what": "jupyter-book build, executing by force, s", "value": round(theirs)},
        {"what": "jupyter-book / dnnbook build", "value": round(theirs / ours, 2)},
        {"what": "dnnbook build, nothing changed, s", "value": round(again, 2)},
    ]


def main() -> None:
    if QUICK:
        with tempfile.TemporaryDirectory() as folder:
            write_rows("book", measured(small_book(Path(folder) / "source")))
        return
    rows = measured(ROOT)
    ran, importing = edited("gradients")
    assert ran == importing, (ran, importing)
    chapters_run = " ".join(sorted(ran))
    rows.append({"what": "executed after an edit in helpers/gradients", "value": chapters_run})
    write_rows("book", rows)


if __name__ == "__main__":
    main()
