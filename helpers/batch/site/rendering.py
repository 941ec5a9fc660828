"""A book's rendering that is kept beside its site, so that the next one does only what is new.

The folder holds the sources as they were rendered, the pages, and Sphinx' own state. A note says
from what they were made, and stands there only while all of it ended without a warning. So a page
with a warning is never taken for one without.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from helpers.batch.ask.identity import PACKAGE, installed_versions
from helpers.batch.errors import ConfigurationError, RenderError
from helpers.batch.site.sentences import VARIANTS
from helpers.batch.site.sources import renderer_digests

NOTE = "made-from"


class Rendering:
    """A folder with sources, pages and state; one process at a time works in it.

    Args:
        folder: always the same for a site: Sphinx' state holds its path.
        variants: whether claims say what they would under every verdict.
    """

    def __init__(self, folder: Path, *, variants: bool = False) -> None:
        self.folder, self.source, self.pages = folder, folder / "source", folder / "out" / "html"
        self._variants = variants
        self._process: subprocess.Popen | None = None
        self._stopped = threading.Event()

    def render(self, pages: Mapping[Path, bytes], others: Mapping[Path, bytes]) -> None:
        """Render what has changed; all, if anything but a page has.

        Args:
            pages: contents by their places in the book.
            others: the same of all other files of the book.

        Raises:
            ConfigurationError: `_config.yml` holds a key that nothing reads.
            RenderError: A page has a warning.
        """
        note, identity = self.folder / NOTE, self._identity(pages, others)
        again = note.is_file() and note.read_text() == identity and self.pages.is_dir()
        if not again:
            shutil.rmtree(self.folder, ignore_errors=True)
        note.unlink(missing_ok=True)
        if _write(self.source, {**others, **pages}) or not again:
            self._run(again)
        note.write_text(identity)

    def _identity(self, pages: Iterable[Path], others: Mapping[Path, bytes]) -> str:
        """Return a digest of what all pages rest on, and of which pages there are."""
        parts = [f"{file} {hashlib.sha256(data).hexdigest()}" for file, data in others.items()]
        parts = sorted(parts) + sorted(map(str, pages)) + installed_versions() + renderer_digests()
        parts += [sys.executable, str(self._variants)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _run(self, again: bool) -> None:
        """Render in a process of its own: Sphinx and autodoc keep global state."""
        out = self.folder / "out"
        arguments = [self.source, self.pages, out / "doctrees", *["--again"] * again]
        if self._stopped.is_set():
            raise RenderError("the renderer was stopped")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "helpers.batch.site.render", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "NO_COLOR": "1"}
            | ({VARIANTS: "1"} if self._variants else {}),
            cwd=PACKAGE.parent,
        )
        said, complained = self._process.communicate()
        code = self._process.returncode
        if code:
            complaint = (said.strip() or complained.strip()).replace(
                f"{self.source.resolve()}{os.sep}", ""
            )
            kind = ConfigurationError if code == 2 else RenderError
            raise kind(complaint or f"the renderer died with exit code {code}")

    def stop(self) -> None:
        """End what is under way, from another thread; nothing is rendered any more."""
        self._stopped.set()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()


def _write(folder: Path, contents: Mapping[Path, bytes]) -> bool:
    """Make a folder hold these files, and return whether any was another.

    What is there already keeps its time: Sphinx reads again what is younger than its state.
    """
    changed = False
    for name, data in contents.items():
        file = folder / name
        if not file.is_file() or file.read_bytes() != data:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            changed = True
    for file in folder.rglob("*"):
        if file.is_file() and file.relative_to(folder) not in contents:
            file.unlink()
            changed = True
    return changed
