"""How a claim looks: a box for one, a table for a chapter's. Legible in light and dark pages."""

import re
from collections.abc import Sequence
from html import escape

from helpers.claims.claim import Claim

# Symbol and colour differ, so that a verdict is read without colour too. The colours have a
# contrast of at least 4.5 with the badge's white; all other text takes the page's own colour.
LOOKS = {
    "holds": ("✓", "#1f7a4a"),
    "contradicted": ("✗", "#b8344a"),
    "inconclusive": ("?", "#8a6100"),
}
BOX = (
    "border:1px solid {c};border-left:6px solid {c};border-radius:4px;"
    "padding:.5em .9em;margin:.6em 0"
)
BADGE = (
    "background:{c};color:#fff;border-radius:3px;"
    "padding:.1em .5em;font-weight:600;white-space:nowrap"
)
QUIET = "font-size:.85em;opacity:.85"


def claim_box(claim: Claim) -> str:
    """Return the claim as a box in HTML: statement, verdict, effect with interval, replicas."""
    _, colour = LOOKS[claim.verdict]
    return (
        f'<div class="dnnbook-claim" id="claim-{claim.id}" role="note" '
        f'style="{BOX.format(c=colour)}">'
        f"<div>{_badge(claim.verdict)}&ensp;<strong>{_marked(claim.statement)}</strong></div>"
        f'<div style="{QUIET}">{_evidence(claim)} &middot; <code>{claim.id}</code></div>'
        "</div>"
    )


def claims_table(claims: Sequence[Claim]) -> str:
    """Return the claims as a table in HTML, each linked to its box."""
    rows = "".join(
        f"<tr><td style='text-align:left'><a href='#claim-{claim.id}'>{_marked(claim.statement)}"
        f"</a></td><td>{_badge(claim.verdict)}</td>"
        f"<td style='text-align:left'>{escape(claim.effect_text)}</td>"
        f"<td>{claim.replicas or 'exact'}</td></tr>"
        for claim in claims
    )
    head = "".join(f"<th>{name}</th>" for name in ("Claim", "Verdict", "Measured", "Replicas"))
    return (
        '<table class="dnnbook-claims table"><thead><tr>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _marked(statement: str) -> str:
    """Return a statement in HTML, with what stands between backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(statement))


def _badge(verdict: str) -> str:
    symbol, colour = LOOKS[verdict]
    return f'<span style="{BADGE.format(c=colour)}">{symbol} {verdict}</span>'


def _evidence(claim: Claim) -> str:
    if claim.method == "exact":
        return f"observed: {escape(claim.effect_text)}" if claim.effect_text else "exact"
    what = "ratio" if claim.scale == "ratio" else "difference"
    return (
        f"{what} {escape(claim.effect_text)}, {100 * claim.confidence:g}% interval, "
        f"{claim.replicas} paired replicas"
    )
