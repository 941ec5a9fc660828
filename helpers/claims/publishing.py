"""How results leave a notebook: as MIME bundles of text, HTML and a JSON record."""

from helpers.claims.box import claim_box
from helpers.claims.claim import SCHEMA, VERDICT_PHRASES, Claim

MIME = "application/vnd.dnnbook.record+json"
GLUE_PREFIX = "application/papermill.record/"  # scrapbook's convention, which myst-nb reads


class Ledger:
    """The claims of the notebook that is running, by id."""

    def __init__(self):
        self.claims: dict[str, Claim] = {}

    def add(self, claim: Claim) -> None:
        """Enter a claim; an id that stands for another statement is refused."""
        known = self.claims.get(claim.id)
        # The same statement again is its cell run again, as people do in JupyterLab.
        if known is not None and known.statement != claim.statement:
            raise ValueError(
                f"`id` must be unique. Received: id={claim.id!r} for {claim.statement!r}, "
                f"but it already stands for {known.statement!r}"
            )
        self.claims[claim.id] = claim


ledger = Ledger()


def published(chapter: str) -> list[Claim]:
    """Return a chapter's claims, in the order they were measured."""
    return [claim for id, claim in ledger.claims.items() if id.startswith(f"{chapter}-")]


def publish_claim(claim: Claim) -> Claim:
    """Enter a claim in the ledger, display it, and glue its verdict and effect for the prose."""
    ledger.add(claim)
    display_bundle(
        {"text/plain": str(claim), "text/html": claim_box(claim), MIME: claim.to_record()}
    )
    part = {"schema": SCHEMA, "kind": "part", "of": claim.id}
    verdict = VERDICT_PHRASES[claim.verdict]
    publish_glue(f"{claim.id}-verdict", repr(verdict), part | {"part": "verdict"})
    if claim.sentence:
        publish_glue(f"{claim.id}-says", repr(claim.sentence), part | {"part": "says"})
    if claim.effect_text:
        publish_glue(f"{claim.id}-effect", repr(claim.effect_text), part | {"part": "effect"})
    return claim


def publish_glue(name: str, text: str, body: dict) -> None:
    """Display nothing to the eye, and keep `text` under `name` for the prose's {glue} roles."""
    display_bundle(
        {GLUE_PREFIX + "text/plain": text, GLUE_PREFIX + MIME: body},
        metadata={"scrapbook": {"name": name, "mime_prefix": GLUE_PREFIX}},
    )


def display_bundle(bundle: dict, *, metadata: dict | None = None) -> None:
    """Show a MIME bundle in a notebook; elsewhere print its text, if it has one for the eye."""
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is not None:
        display(bundle, raw=True, metadata=metadata)
    elif "text/plain" in bundle:
        print(bundle["text/plain"])
