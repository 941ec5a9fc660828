"""`make book`, installed, from nothing built; against jupyter-book; and again with less to do."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import seconds, write_rows

from helpers.batch.ask.identity import imported_digests
from helpers.batch.book import CHECKOUT as ROOT
from helpers.batch.book import chapters
from helpers.batch.notebook import read_notebook
from helpers.batch.site.sources import copy_sources

DNNBOOK = [sys.executable, "-m", "helpers.batch.cli"]


def jupyter_book(folder: Path) -> None:
    """Build the same pages with `execute_notebooks: force`."""
    copy_sources(ROOT, folder)
    configuration = folder / "_config.yml"
    text = configuration.read_text()
    forced = text.replace('execute_notebooks: "off"', "execute_notebooks: force\n  timeout: 600")
    assert forced != text
    configuration.write_text(forced)
    command = [Path(sys.executable).with_name("jupyter-book"), "build", folder]
    subprocess.run(command, check=True, capture_output=True)


def dnnbook_build() -> str:
    """Build what has changed, and return what is said."""
    done = subprocess.run([*DNNBOOK, "build"], cwd=ROOT, check=True, capture_output=True, text=True)
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
        lines = dnnbook_build().splitlines()
    finally:
        module.write_text(before, "utf-8")
    ran = {line.split()[2].rsplit("-", 1)[0] for line in lines if line.startswith("[")}
    return ran, importing


def main() -> None:
    shutil.rmtree(ROOT / "_build", ignore_errors=True)
    rows = []
    ours = seconds(lambda: subprocess.run(["make", "book"], cwd=ROOT, check=True))
    with tempfile.TemporaryDirectory() as folder:
        theirs = seconds(lambda: jupyter_book(Path(folder)))
    rows.append({"what": "make book, from nothing built, s", "value": round(ours)})
    rows.append({"what": "jupyter-book build, executing by force, s", "value": round(theirs)})
    rows.append({"what": "jupyter-book / make book", "value": round(theirs / ours, 2)})
    again = seconds(dnnbook_build)
    rows.append({"what": "dnnbook build, nothing changed, s", "value": round(again, 2)})
    ran, importing = edited("gradients")
    assert ran == importing, (ran, importing)
    chapters_run = " ".join(sorted(ran))
    rows.append({"what": "executed after an edit in helpers/gradients", "value": chapters_run})
    write_rows("book", rows)
    for row in rows:
        print(f"{row['what']}: {row['value']}")


if __name__ == "__main__":
    main()
