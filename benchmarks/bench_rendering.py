"""How long readers wait: the book rendered alone, against before; a first build; one sentence.

Rendering is measured on both sides in turns, each with the book of its own commit, from committed
outputs, in a process of its own. Processor seconds are of that process and its children.
"""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measuring import BEFORE, QUICK, ROOT, ROUNDS, checked_out, environment, write_rows

COPY = """\
import shutil, sys
from pathlib import Path
try:
    from helpers.batch.site.sources import source_files
except ImportError:
    from helpers.batch.pages import copy_sources
else:
    def copy_sources(root, folder):
        for file in source_files(root):
            copied = folder / file.relative_to(root)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, copied)
copy_sources(Path.cwd(), Path(sys.argv[1]))
"""
FIRST = re.compile(r"all pages can be read, (\d+) s")


def measured(command: list, **options) -> tuple[float, float]:
    """Return the wall and the processor seconds of a command."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, used


def rendering(tree: Path) -> tuple[float, float]:
    """Return the seconds that a tree's renderer takes for its own book."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "source").mkdir()
        options = {"cwd": tree, "env": environment(tree) | {"PYTHONDONTWRITEBYTECODE": ""}}
        subprocess.run([sys.executable, "-c", COPY, place / "source"], check=True, **options)
        new = (tree / "helpers" / "batch" / "site").is_dir()
        module = "helpers.batch.site.render" if new else "helpers.batch.render"
        arguments = [place / "source", place / "html", place / "doctrees"]
        return measured([sys.executable, "-m", module, *arguments], **options)


@contextmanager
def copied() -> Iterator[Path]:
    """Give a copy of the book and its helpers, without anything built."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns("_build", ".venv", ".git"))
        yield tree


def build(tree: Path) -> subprocess.Popen:
    """Begin a build of a tree."""
    command = [sys.executable, "-m", "helpers.batch.cli", "build"]
    return subprocess.Popen(
        command, cwd=tree, env=environment(tree), stdout=subprocess.PIPE, text=True
    )


def first_pages(tree: Path) -> float:
    """Return the seconds until every page can be read, where nothing was built."""
    start = time.perf_counter()
    process = build(tree)
    for line in process.stdout:
        if FIRST.search(line):
            took = time.perf_counter() - start
            break
    process.terminate()
    process.communicate()
    return took


def mended(tree: Path) -> tuple[float, float]:
    """Return the seconds of a rendering after one sentence was mended."""
    root = tree / "_build" / ".html-rendering"
    page = root / "source" / "book" / "01_gradients.ipynb"
    notebook = json.loads(page.read_text("utf-8"))
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    cell["source"] = "".join(cell["source"]) + "\n\nOne more sentence."
    page.write_text(json.dumps(notebook), "utf-8")
    out = root / "out"
    arguments = [root / "source", out / "html", out / "doctrees", "--again"]
    command = [sys.executable, "-m", "helpers.batch.site.render", *arguments]
    return measured(command, cwd=tree, env=environment(tree))


def row(what: str, pairs: list[tuple[float, float]]) -> dict:
    walls, processors = zip(*pairs, strict=True)
    middle = len(pairs) // 2
    return {
        "what": what,
        "wall seconds": round(sorted(walls)[middle], 1),
        "processor seconds": round(sorted(processors)[middle], 1),
    }


def main() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sides: dict[str, list] = {BEFORE: [], "now": []}
    with checked_out() as before:
        for _ in range(ROUNDS):
            sides[BEFORE].append(rendering(before))
            sides["now"].append(rendering(ROOT))
    rows = [row(f"the book rendered alone, {side}", pairs) for side, pairs in sides.items()]
    with copied() as tree:
        first = first_pages(tree)
        pairs = [mended(tree) for _ in range(1 if QUICK else 5)]
    rows.append(
        {"what": "first build: all pages can be read", "wall seconds": round(first, 1)}
        | {"processor seconds": None}
    )
    rows.append(row("one sentence mended, rendered", pairs))
    write_rows("rendering", rows)


if __name__ == "__main__":
    main()
