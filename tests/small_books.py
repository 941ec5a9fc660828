"""A small book with the real one's configuration, and how a build renders it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def make_book(folder: Path, *chapters: str, index: str) -> Path:
    """Return the root of a small book whose chapters, by their files' names, are yet to be written.

    Args:
        folder: an empty one; the site will lie in it, too.
        chapters: as "01_small".
        index: text of the first page.
    """
    root = folder / "source"
    shutil.copytree(ROOT / "tests" / "fixtures" / "small_book", root)
    shutil.copy(ROOT / "_config.yml", root)
    shutil.copytree(ROOT / "book" / "_static", root / "book" / "_static")
    (root / "book" / "references.bib").write_text("")
    files = "".join(f"- file: book/{name}\n" for name in chapters)
    (root / "_toc.yml").write_text(f"format: jb-book\nroot: book/index\nchapters:\n{files}")
    (root / "book" / "index.md").write_text(index)
    return root


def render(book: Path, **environment: str) -> tuple[subprocess.CompletedProcess, Path]:
    """Render as a build does, in a process of its own; return what it says, and the site."""
    site = book.with_name("site")
    command = [
        sys.executable,
        "-m",
        "helpers.batch.site.render",
        book,
        site,
        book.with_name("trees"),
    ]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | environment
    )
    return done, site
