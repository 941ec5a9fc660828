"""Renders again only pages that have changed, and comes to what rendering all of them comes to.

Sphinx does so by itself, with three gaps that are closed here. It does not look again at a page
that refers to a changed one, though a label may be gone there. Its search index forgets entries of
pages that it does not write. It leaves pictures behind that no page shows any more.
"""

import hashlib
import pickle
import shutil
from collections.abc import Iterable
from pathlib import Path

from docutils import nodes
from sphinx.application import ENV_PICKLE_FILENAME, Sphinx
from sphinx.environment import BuildEnvironment

# Where in its page something stands; other pages do not see that.
PLACES = {"line", "lineno", "citation_ref_id"}
APART = {"index", "cite"}  # of the domains: seen on pages that are always written
INDEX = "_search_index_"  # begins the names under which Sphinx keeps its search index
SEEN = "dnnbook_seen"  # in the environment: digest of what pages showed each other
BORROWS = "dnnbook_borrows"  # in a page's metadata: it shows values that another page has measured


def attach(app: Sphinx) -> None:
    """Let an application render incrementally; `keep` belongs at its end."""
    app.connect("doctree-read", _note_borrowing)
    app.connect("doctree-read", _note_bibliography)
    app.connect("env-get-updated", _also_outdated, priority=900)  # after numbers are given
    app.connect("write-started", _begin_anew)
    app.connect("write-started", _continue_index)


def _note_borrowing(app: Sphinx, document: nodes.document) -> None:
    from myst_nb.ext.glue.crossref import PendingGlueReference

    if any(document.findall(PendingGlueReference)):
        app.env.metadata[app.env.docname][BORROWS] = True


def _note_bibliography(app: Sphinx, document: nodes.document) -> None:
    """Have a page read each time on which citations of other pages are listed.

    Its extension adds to an entry that was kept the same label and text once more.
    """
    from sphinxcontrib.bibtex.nodes import bibliography

    if any(document.findall(bibliography)):
        app.env.reread_always.add(app.env.docname)


def _also_outdated(app: Sphinx, env: BuildEnvironment) -> Iterable[str]:
    """Return all pages if what they see of each other has changed."""
    before, now = getattr(env, SEEN, None), seen(env)
    setattr(env, SEEN, now)
    if before not in (None, now):
        return set(env.all_docs)
    return {page for page, known in env.metadata.items() if BORROWS in known}


def seen(env: BuildEnvironment) -> str:
    """Return a digest of what the pages of an environment show each other.

    That is titles, numbers, labels, terms, objects, equations and citations.
    """
    parts = [env.titles, env.longtitles, env.tocs, env.toc_secnumbers, env.toc_fignumbers]
    parts += [
        env.toctree_includes,
        [_headings(env.metadata[page]) for page in sorted(env.found_docs)],
    ]
    parts += [data for name, data in sorted(env.domaindata.items()) if name not in APART]
    cited = env.domaindata.get("cite", {}).get("citations", ())
    parts += [(one.key, one.citation_id, one.formatted_entry.label) for one in cited]
    return hashlib.sha256(repr([_plain(part) for part in parts]).encode()).hexdigest()


def _headings(metadata: dict) -> dict:
    """Return the headings of a page as links of Markdown find them, without their lines."""
    return {name: known[1:] for name, known in metadata.get("myst_slugs", {}).items()}


def _plain(value: object) -> object:
    """Return a value as one whose text is the same in every process."""
    if isinstance(value, nodes.Node):
        return value.pformat()
    if isinstance(value, dict):
        return sorted((repr(_plain(key)), _plain(item)) for key, item in value.items())
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain({k: item for k, item in value._asdict().items() if k not in PLACES})
    if isinstance(value, set | frozenset):
        return sorted(repr(_plain(item)) for item in value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "__dict__") and not isinstance(value, type):
        return _plain({k: item for k, item in vars(value).items() if k not in PLACES})
    return repr(value)


def _begin_anew(app: Sphinx, builder: object) -> None:
    # What extensions write there they name in another way if they find it.
    shutil.rmtree(Path(app.outdir, "_static"), ignore_errors=True)


def _continue_index(app: Sphinx, builder: object) -> None:
    """Go on with the search index of the environment; the one in the site lacks a part."""

    def load(pages: Iterable[str]) -> None:
        index = builder.indexer
        index.prune(set(app.env.all_docs) - set(pages))
        for words in ("_mapping", "_title_mapping"):
            known = getattr(index, words)
            setattr(index, words, {word: found for word, found in known.items() if found})

    builder.load_indexer = load


def keep(app: Sphinx) -> None:
    """Keep what the next rendering goes on with, and remove files that no page names."""
    env, index = app.env, getattr(app.builder, "indexer", None)
    if index is not None:
        for name in [name for name in vars(env) if name.startswith(INDEX)]:
            setattr(env, name, getattr(index, name.removeprefix("_search_index")))
    with Path(app.doctreedir, ENV_PICKLE_FILENAME).open("wb") as file:
        pickle.dump(env, file, pickle.HIGHEST_PROTOCOL)
    for folder, named in (("_images", env.images), ("_downloads", env.dlfiles)):
        names, place = {name for _, name in named.values()}, Path(app.outdir, folder)
        for file in place.rglob("*"):
            if file.is_file() and file.relative_to(place).as_posix() not in names:
                file.unlink()
