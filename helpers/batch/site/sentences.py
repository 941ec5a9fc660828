"""The sentences of claims in the prose: `{says}` roles hold them, readable without any renderer.

A role's text is the sentence that stood when the notebook was last executed here, and its target
is the claim: ``{says}`Tanh ends a quarter below ReLU <activations-tanh-beats-relu>```. Where the
page is rendered from another execution, on other data, the sentence of that one takes its place.
"""

import re
from collections.abc import Mapping

from helpers.batch.errors import NotebookError
from helpers.batch.results.records import records_of
from helpers.claims.sentences import FIELDS

SAYS = re.compile(r"\{says\}`(?:(?P<text>[^`<>]*?)\s*<)?(?P<id>[a-z0-9]+(?:-[a-z0-9]+)+)>?`")
LABELS = {name: verdict for verdict, name in FIELDS.items()}  # a paragraph's name → its verdict
VARIANTS = "DNNBOOK_VARIANTS"  # in the environment of a renderer: show what every verdict says
BEGIN, END = re.compile(r"^:::\{([a-z]+)\}\s*$"), re.compile(r"^:::\s*$")


def split_role(text: str) -> tuple[str, str]:
    """Return the sentence that a role holds, if any, and the id of its claim.

    >>> split_role("Tanh ends lower <activations-tanh>"), split_role("activations-tanh")
    (('Tanh ends lower', 'activations-tanh'), ('', 'activations-tanh'))
    """
    found = SAYS.fullmatch(f"{{says}}`{text}`")
    if found is None:
        raise NotebookError(
            f"a `says` role must hold a claim's id, or a sentence and <id>. Received: {text!r}"
        )
    return found["text"] or "", found["id"]


def spoken(notebook: Mapping) -> dict[str, dict]:
    """Return the records of the claims of an executed notebook that speak, by id."""
    return {record["id"]: record for record in records_of(notebook) if record.get("sentence")}


def with_sentences(notebook: Mapping) -> dict:
    """Return a notebook whose roles hold the sentences of its own execution.

    A role may name a claim of another chapter, whose id begins with that chapter's name. It stays;
    the page takes its sentence from there.

    Raises:
        NotebookError: A role names a claim that the notebook does not have and should.
    """
    claims = spoken(notebook)
    own = {id.partition("-")[0] for id in claims}

    def said(found: re.Match) -> str:
        if own and found["id"].partition("-")[0] not in own:
            return found[0]
        if found["id"] not in claims:
            raise NotebookError(
                f"a `says` role must name a claim of its notebook. Received: {found['id']}"
            )
        return f"{{says}}`{claims[found['id']]['sentence']} <{found['id']}>`"

    cells = [
        {**cell, "source": SAYS.sub(said, "".join(cell["source"]))}
        if cell["cell_type"] == "markdown"
        else cell
        for cell in notebook["cells"]
    ]
    return {**notebook, "cells": cells}


def paragraphs_of(lines: list[str]) -> dict[str, list[str]]:
    r"""Return the paragraphs that a `verdicts` directive holds, one for each verdict, by its name.

    Each stands between ``:::{holds}`` (``{contradicted}``, ``{same}``, ``{unclear}``) and ``:::``.

    Raises:
        NotebookError: One is missing, empty, there twice, or something stands outside of them.

    >>> text = "".join(f":::{{{name}}}\nIt {name}.\n:::\n" for name in LABELS)
    >>> paragraphs_of(text.splitlines())["same"]
    ['It same.']
    """
    found: dict[str, list[str]] = {}
    name = None
    for line in lines:
        begins = BEGIN.match(line)
        if name is None and begins:
            name = begins[1]
            if name not in LABELS or name in found:
                raise NotebookError(
                    f"a paragraph of `verdicts` must be one of {', '.join(LABELS)}, each once. "
                    f"Received: {name}"
                )
            found[name] = []
        elif name is not None and END.match(line):
            name = None
        elif name is not None:
            found[name].append(line)
        elif line.strip():
            raise NotebookError(f"`verdicts` must hold paragraphs alone. Received: {line!r}")
    lacking = [one for one in LABELS if not any(map(str.strip, found.get(one, ())))]
    if lacking or name is not None:
        raise NotebookError(
            f"`verdicts` must hold a paragraph for each of {', '.join(LABELS)}, each ended by "
            f"`:::`. Received: none for {', '.join(lacking) or name}"
        )
    return found
