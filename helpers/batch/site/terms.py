"""Terms of the glossary in the chapters: linked at their first use, with their definition to see.

A Sphinx extension. A link to a term, written as a `term` role or made here, has the definition as
its title, which browsers show on hover; `terms.js` makes a tooltip of the theme's Bootstrap of it,
which the keyboard opens too. A chapter's first use of a term that no role links is linked here, but
for everyday words, where only an author can tell whether the term is meant.
"""

import re
from collections.abc import Iterable, Mapping

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

DEFINITIONS = "dnnbook_definitions"  # in the environment: page → anchor → (term, definition)
SHOWN = "dnnbook_definitions_shown"  # the same, as the pages of the last rendering show them
CLASS = "dnnbook-term"
# Words of every day that are terms as well: linked where an author says so.
EVERYDAY = {
    "activation", "arm", "batch", "body", "claim", "confidence", "draw", "feature", "gain", "grid",
    "head", "identity", "margin", "notes", "patience", "pool", "replica", "run", "sample", "scale",
    "signal", "step", "threshold", "verdict",
}  # fmt: skip
# No term is linked inside of these.
CLOSED = (
    nodes.reference, nodes.title, nodes.literal, nodes.math, nodes.caption, nodes.rubric,
    nodes.table, nodes.Invisible, nodes.raw, nodes.FixedTextElement, addnodes.glossary,
)  # fmt: skip
UNREAD = {"cell_output", "cell_input", "dnnbook-quiz", "dnnbook-answers"}  # classes of containers


def definitions_in(document: nodes.document) -> dict[str, tuple[str, str]]:
    """Return term and definition by anchor, of all glossaries on a page."""
    found = {}
    for glossary in document.findall(addnodes.glossary):
        for item in glossary.findall(nodes.definition_list_item):
            text = " ".join(item[-1].astext().split())
            for term in item.findall(nodes.term):
                found |= {anchor: (term.astext(), text) for anchor in term["ids"]}
    return found


def pattern_of(terms: Iterable[str]) -> re.Pattern:
    """Return what finds terms in a text: whole words, also in the plural, longest first.

    A term that is written with capitals must be so in the text.

    >>> pattern_of(["dropout", "Monte Carlo dropout", "Adam"]).findall("Dropouts, AdamW, adam")
    ['Dropout']
    """
    forms = []
    for term in sorted(terms, key=len, reverse=True):
        text = re.escape(term).replace(r"\ ", r"\s+")
        forms.append(text if term != term.lower() else f"(?i:{text})")
    return re.compile(rf"(?<![\w-])({'|'.join(forms) or '(?!)'})(?=s?(?![\w-]))")


def _collect(app: Sphinx, document: nodes.document) -> None:
    if found := definitions_in(document):
        _known(app.env)[app.env.docname] = found


def _known(env: BuildEnvironment) -> dict[str, dict[str, tuple[str, str]]]:
    if not hasattr(env, DEFINITIONS):
        setattr(env, DEFINITIONS, {})
    return getattr(env, DEFINITIONS)


def _forget(app: Sphinx, env: BuildEnvironment, page: str) -> None:
    _known(env).pop(page, None)


def _merge(app: Sphinx, env: BuildEnvironment, pages: set[str], other: BuildEnvironment) -> None:
    _known(env).update({page: found for page, found in _known(other).items() if page in pages})


def _also_outdated(app: Sphinx, env: BuildEnvironment) -> Iterable[str]:
    """Return all pages if a definition has changed: any of them may show it."""
    before, now = getattr(env, SHOWN, None), repr(sorted(_known(env).items()))
    setattr(env, SHOWN, now)
    return set(env.all_docs) if before not in (None, now) else ()


def _resolved(app: Sphinx, document: nodes.document, page: str) -> None:
    """Link a chapter's first uses, and give every link to a term its definition."""
    for place, terms in _known(app.env).items():
        if app.env.doc2path(page).endswith(".ipynb"):
            link_first_uses(document, terms, app.builder.get_relative_uri(page, place))
        for link in document.findall(nodes.reference):
            anchor = link.get("refid") or link.get("refuri", "").rpartition("#")[2]
            if anchor in terms and place != page:
                link["reftitle"] = terms[anchor][1]
                link["classes"].append(CLASS)


def link_first_uses(
    document: nodes.document, terms: Mapping[str, tuple[str, str]], uri: str
) -> None:
    """Link the first use of each term that a page does not link yet.

    Args:
        document: the page.
        terms: term and definition by anchor.
        uri: of the glossary's page.
    """
    links = [link.get("refuri", "") for link in document.findall(nodes.reference)]
    linked = {link.rpartition("#")[2] for link in links}
    open_terms = {
        term.lower(): anchor
        for anchor, (term, _) in terms.items()
        if anchor not in linked and term.lower() not in EVERYDAY
    }
    pattern = pattern_of([term for _, (term, _) in terms.items() if term.lower() in open_terms])
    for paragraph in document.findall(nodes.paragraph):
        _join_texts(paragraph)
    for text in list(document.findall(nodes.Text)):
        parts, start = [], 0
        for found in pattern.finditer(text) if _is_prose(text) else ():
            anchor = open_terms.pop(" ".join(found[0].lower().split()), None)
            if anchor is not None:
                link = nodes.reference("", found[0], internal=True, refuri=f"{uri}#{anchor}")
                parts += [nodes.Text(text[start : found.start()]), link]
                start = found.end()
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(text[start:])])


def _join_texts(paragraph: nodes.paragraph) -> None:
    """Make one text of what was written in several lines."""
    joined: list[nodes.Node] = []
    for child in paragraph.children:
        if joined and isinstance(child, nodes.Text) and isinstance(joined[-1], nodes.Text):
            joined[-1] = nodes.Text(joined[-1] + child)
        else:
            joined.append(child)
    paragraph.children = []
    paragraph += joined


def _is_prose(text: nodes.Text) -> bool:
    node, in_paragraph = text.parent, False
    while node is not None:
        if isinstance(node, CLOSED) or UNREAD & set(node.get("classes", ())):
            return False
        in_paragraph = in_paragraph or isinstance(node, nodes.paragraph)
        node = node.parent
    return in_paragraph


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx what collects definitions and shows them."""
    app.connect("doctree-read", _collect)
    app.connect("env-purge-doc", _forget)
    app.connect("env-merge-info", _merge)
    app.connect("env-get-updated", _also_outdated)
    app.connect("doctree-resolved", _resolved, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "env_version": 1}
