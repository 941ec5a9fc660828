"""How a claim looks: a box for one, a table for a chapter's. Legible in light and dark pages."""

import re
from collections.abc import Mapping, Sequence
from html import escape

from helpers.claims.claim import Claim

# Symbol and colour differ, so that a verdict is read without colour too. The colours have a
# contrast of at least 4.5 with the badge's white; all other text takes the page's own colour.
LOOKS = {
    "holds": ("✓", "#1f7a4a"),
    "contradicted": ("✗", "#b8344a"),
    "inconclusive": ("?", "#8a6100"),
    "no difference": ("=", "#45617c"),
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
    return claim_line(claim) if claim.sentence else _open_box(claim)


def claim_line(claim: Claim) -> str:
    """Return a judged claim as one line in HTML, which opens to its evidence."""
    _, colour = LOOKS[claim.verdict]
    rows = "".join(
        f"<tr><th scope='row' style='text-align:left;white-space:nowrap'>{name}</th>"
        f"<td style='text-align:left'>{text}</td></tr>"
        for name, text in _evidence_rows(claim)
    )
    return (
        f'<details class="dnnbook-claim" id="claim-{claim.id}" '
        f'style="{BOX.format(c=colour)}">'
        f"<summary>{_badge(claim.verdict)}&ensp;"
        f"{marked(claim.sentence)}</summary>"
        f'<table style="{QUIET};margin-top:.5em">{rows}</table>'
        "</details>"
    )


def _evidence_rows(claim: Claim) -> list[tuple[str, str]]:
    what = "How many times" if claim.scale == "ratio" else "By how much"
    interval = f", {100 * claim.confidence:g}% interval" if claim.confidence else ""
    margin = f"× {claim.margin:g}" if claim.scale == "ratio" else f"{claim.margin:g} {claim.unit}"
    found = [
        ("Asked", marked(claim.statement)),
        (what, f"{escape(claim.effect_text)}{interval}"),
        ("Matters from", escape(margin.rstrip()) if claim.margin else ""),
        ("Second run", _second_run(claim)),
        ("Elsewhere", _elsewhere(claim)),
        ("Replicas", f"{claim.replicas}, paired"),
        ("Scope", marked(claim.scope)),
        ("Tried", _tried(claim.tried)),
        ("Status", STATUS.get(claim.status, "")),
        ("Name", f"<code>{claim.id}</code>, design <code>{claim.design}</code>"),
    ]
    return [(name, text) for name, text in found if text]


def _second_run(claim: Claim) -> str:
    if not claim.repeated:
        return ""
    return f"{_badge(claim.repeated['verdict'])} {escape(claim.repeated_text)}"


def _elsewhere(claim: Claim) -> str:
    if not claim.elsewhere:
        return ""
    rounded = "had the book's run of this design on another kind of processor, by rounding alone"
    return f"{_badge(claim.elsewhere)} {rounded}"


def _tried(tried: Mapping[str, Sequence[float]]) -> str:
    """Return the settings of each arm; those of arms that share them once."""
    shared: dict[str, list[str]] = {}
    for arm, settings in tried.items():
        shared.setdefault(_listed(settings), []).append(escape(str(arm)))
    return "; ".join(f"{', '.join(arms)}: {settings}" for settings, arms in shared.items())


def _listed(settings: Sequence[float]) -> str:
    return ", ".join(f"{one:.3g}" if isinstance(one, float) else f"{one}" for one in settings)


SAID = {"inconclusive": "cannot tell", "no difference": "no difference that matters"}
STATUS = {
    "confirmed": "frozen; a second run with fresh seeds and draws came to this verdict, too",
    "not confirmed": "frozen; a second run with fresh seeds and draws came to <em>another</em>",
    "open twice": "frozen; a second run with fresh seeds and draws could not tell, either",
    "exploratory": "exploratory: not yet run with fresh seeds and draws in this form",
}


def _open_box(claim: Claim) -> str:
    _, colour = LOOKS[claim.verdict]
    return (
        f'<div class="dnnbook-claim" id="claim-{claim.id}" role="note" '
        f'style="{BOX.format(c=colour)}">'
        f"<div>{_badge(claim.verdict)}&ensp;<strong>{marked(claim.statement)}</strong></div>"
        f'<div style="{QUIET}">{_evidence(claim)} &middot; <code>{claim.id}</code></div>'
        "</div>"
    )


def claims_table(claims: Sequence[Claim], note: str = "") -> str:
    """Return the claims as a table in HTML, each linked to its box, with a note below."""
    second = any(claim.status for claim in claims)
    rows = "".join(
        f"<tr><td style='text-align:left'><a href='#claim-{claim.id}'>{marked(claim.statement)}"
        f"</a></td><td>{_badge(claim.verdict)}</td>"
        f"<td style='text-align:left'>{escape(claim.effect_text)}</td>"
        f"<td>{claim.replicas or 'exact'}</td>"
        + (f"<td>{_second_run(claim) or claim.status}</td></tr>" if second else "</tr>")
        for claim in claims
    )
    names = ["Claim", "Verdict", "Measured", "Replicas", *["Second run"] * second]
    head = "".join(f"<th>{name}</th>" for name in names)
    return (
        '<table class="dnnbook-claims table"><thead><tr>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table>"
    ) + (f"<p>{escape(note)}</p>" if note else "")


def marked(statement: str) -> str:
    """Return a statement in HTML, with code between backticks and mathematics between dollars."""
    coded = re.sub("`([^`]+)`", r"<code>\1</code>", escape(statement))
    return re.sub(
        r"\$([^$]+)\$", r'<span class="math notranslate nohighlight">\(\1\)</span>', coded
    )


def _badge(verdict: str) -> str:
    symbol, colour = LOOKS[verdict]
    return f'<span style="{BADGE.format(c=colour)}">{symbol} {SAID.get(verdict, verdict)}</span>'


def _evidence(claim: Claim) -> str:
    if claim.method == "exact":
        return f"observed: {escape(claim.effect_text)}" if claim.effect_text else "exact"
    what = "ratio" if claim.scale == "ratio" else "difference"
    return (
        f"{what} {escape(claim.effect_text)}, {100 * claim.confidence:g}% interval, "
        f"{claim.replicas} paired replicas"
    )
