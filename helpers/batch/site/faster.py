"""Has Sphinx do the same in less time: in several processes, and nothing a hundred times over."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

# They say nothing of being read in several processes; what they read of a page, they keep nowhere.
SAFE = ("sphinx_multitoc_numbering", "sphinx-mathjax-offline", "sphinx_jupyterbook_latex")
AUTODOC = ("automodule::", "autoclass::", "autofunction::", "autodata::")


@contextmanager
def libraries() -> Iterator[None]:
    """Change libraries for a while.

    Pages are handed out one by one, for one of them takes as long as all others: the reference,
    which imports TensorFlow. pybtex looks through all installed packages for each citation, and
    reads the TeX of a name anew wherever it stands.
    """
    import pybtex.plugin
    import pybtex.richtext
    import sphinx.builders

    chunks, points = sphinx.builders.make_chunks, pybtex.plugin.entry_points
    text = pybtex.richtext.Text
    from_latex = vars(text)["from_latex"]
    sphinx.builders.make_chunks = lambda pages, *_: [[page] for page in pages]
    pybtex.plugin.entry_points = functools.cache(points)
    text.from_latex = functools.cache(text.from_latex)  # what it returns nobody changes
    try:
        yield
    finally:
        sphinx.builders.make_chunks, pybtex.plugin.entry_points = chunks, points
        text.from_latex = from_latex


def attach(app: Sphinx) -> None:
    """Let an application read and write in several processes, the longest pages first."""
    for name in SAFE:
        if name in app.extensions:
            app.extensions[name].parallel_read_safe = True
    app.connect("env-before-read-docs", _longest_first)
    app.connect("write-started", _numbers_from_kept_trees)
    app.connect("write-started", _one_more_writes)


def _longest_first(app: Sphinx, env: BuildEnvironment, pages: list[str]) -> None:
    """Put pages into the order in which Sphinx hands them out: the first two, then from the end."""

    def weight(page: str) -> tuple[bool, int]:
        file = Path(env.doc2path(page))
        is_code = file.suffix != ".ipynb" and any(
            name in file.read_text("utf-8", "replace") for name in AUTODOC
        )
        return is_code, file.stat().st_size

    pages.sort(key=weight)
    pages[:] = [*pages[-1:], *pages[:-1]]


def _one_more_writes(app: Sphinx, builder: object) -> None:
    """Let as many processes write as read; Sphinx leaves one out, for itself, to the very end."""
    if app.parallel > 1:
        app.parallel += 1


class _KeptTrees:
    """An environment that reads each page's tree once: for looking, not for changing."""

    def __init__(self, env: BuildEnvironment) -> None:
        self._env, self._trees = env, {}

    def __getattr__(self, name: str) -> object:
        return getattr(self._env, name)

    def get_doctree(self, page: str) -> nodes.document:
        """Return a page's tree."""
        if page not in self._trees:
            self._trees[page] = self._env.get_doctree(page)
        return self._trees[page]


def _numbers_from_kept_trees(app: Sphinx, builder: object) -> None:
    """Find the numbers of figures without reading the whole page for each reference."""
    domain, env = app.env.get_domain("std"), _KeptTrees(app.env)
    resolve = domain._resolve_numref_xref
    domain._resolve_numref_xref = lambda _, *rest: resolve(env, *rest)
