"""A Sphinx extension by which claims speak: roles `says` and `verdict`, directive `verdicts`.

`says` puts the sentence of a claim's verdict there, with a small sign that leads to the evidence.
`verdict` puts the sign alone there, for tables; a second run that differs adds its own.
`verdicts` holds a paragraph for each verdict, and shows the one that fits. With
``DNNBOOK_VARIANTS`` in the environment, as `dnnbook build --variants` has it, both show all of
them, each with its verdict, for a person to read.
"""

import os
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from helpers.batch.book import chapters
from helpers.batch.errors import BatchError, NotebookError, nearest
from helpers.batch.site.overview import read_page
from helpers.batch.site.roles import Role
from helpers.batch.site.sentences import LABELS, VARIANTS, paragraphs_of, split_role, spoken
from helpers.claims.box import LOOKS
from helpers.claims.claim import CONTRADICTED


def _find(env, id: str) -> tuple[dict, str]:
    """Return a claim's record, and the page that has its evidence."""
    own = Path(env.srcdir, f"{env.docname}.ipynb")
    known: set[str] = set()
    for notebook in [own] * own.is_file() + chapters(Path(env.srcdir)):
        claims = spoken(read_page(notebook))
        if id in claims:
            env.note_dependency(str(notebook))  # else the page stays when the other changes
            return claims[id], notebook.relative_to(env.srcdir).with_suffix("").as_posix()
        known |= set(claims)
    raise NotebookError(f"there is no claim that speaks as {id!r}. {nearest(id, known)}")


class Speaking(Role):
    """What roles of a claim share."""

    def claim(self, id: str) -> tuple[dict, str]:
        """Return a claim's record, and the address of its page, empty for the role's own."""
        claim, page = _find(self.env, id)
        if page == self.env.docname:
            return claim, ""
        return claim, self.env.app.builder.get_relative_uri(self.env.docname, page)


class Says(Speaking):
    """The sentence of a claim, and a sign that leads to its evidence."""

    def fill(self) -> list[nodes.Node]:
        """Return sentence and sign, and what a second run found if it differs."""
        _, id = split_role(self.text)
        claim, uri = self.claim(id)
        if self.config.dnnbook_variants:
            found: list[nodes.Node] = []
            for verdict, sentence in claim["variants"].items():
                found += [nodes.strong("", f" [{verdict}] "), *self.parsed(sentence)]
            return [*found, *signed(claim, uri)]
        first = claim["variants"][claim["verdict"]]
        found = [*self.parsed(first), *signed(claim, uri)]
        if aside := claim["sentence"].removeprefix(first):
            found += [*self.parsed(aside), *signed(again(claim), uri)]
        return found

    def parsed(self, sentence: str) -> list[nodes.Node]:
        """Return a sentence as nodes: it may hold mathematics and emphasis."""
        found, _ = self.inliner.parse(sentence, self.lineno, self.inliner, self.inliner.parent)
        return found


class Verdict(Speaking):
    """The sign of a claim alone, and that of its second run where it is another."""

    def fill(self) -> list[nodes.Node]:
        """Return the signs."""
        claim, uri = self.claim(self.text)
        second = signed(again(claim), uri) if claim.get("status") == "not confirmed" else []
        return [sign(claim, uri), *second]


STANDS = {
    "confirmed": "found twice; ",
    "not confirmed": "not found a second time; ",
    "open twice": "asked twice; ",
}


def again(claim: dict) -> dict:
    """Return a claim with the verdict of its second run."""
    return claim | {"verdict": claim["repeated"]["verdict"]}


def signed(claim: dict, uri: str) -> list[nodes.Node]:
    """Return the sign of a verdict, as it stands behind a sentence."""
    return [nodes.Text("\N{NARROW NO-BREAK SPACE}"), sign(claim, uri)]


def sign(claim: dict, uri: str) -> nodes.reference:
    """Return the sign of a verdict, as a link to the claim's evidence.

    The sign judges the question that was asked beforehand, the sentence before it says what was
    found. So a true sentence can bear a ✗, which would look like "false" without a word.
    """
    symbol, _ = LOOKS[claim["verdict"]]
    kind = claim["verdict"].replace(" ", "-")
    return nodes.reference(
        "",
        f"{symbol} not as asked" if claim["verdict"] == CONTRADICTED else symbol,
        internal=True,
        refuri=f"{uri}#claim-{claim['id']}",
        reftitle=f"{STANDS.get(claim.get('status'), '')}{claim['verdict']}: {claim['statement']}",
        classes=["dnnbook-sign", f"dnnbook-{kind}"],
    )


class Verdicts(SphinxDirective):
    """A paragraph for each verdict of a claim, of which the fitting one is shown."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the paragraph that fits, or all of them with their verdicts."""
        try:
            claim, _ = _find(self.env, self.arguments[0])
            texts = paragraphs_of(list(self.content))
        except BatchError as error:
            raise self.error(str(error)) from error
        if not self.config.dnnbook_variants:
            name = next(name for name, verdict in LABELS.items() if verdict == claim["verdict"])
            return self.parse_text_to_nodes("\n".join(texts[name]))
        found = []
        for name, lines in texts.items():
            found.append(nodes.paragraph("", "", nodes.strong("", f"[{LABELS[name]}]")))
            found += self.parse_text_to_nodes("\n".join(lines))
        return found


def setup(app: Sphinx) -> dict[str, bool]:
    """Register role, directive and switch with Sphinx."""
    app.add_config_value("dnnbook_variants", bool(os.environ.get(VARIANTS)), "env")
    app.add_role("says", Says())
    app.add_role("verdict", Verdict())
    app.add_directive("verdicts", Verdicts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
