"""What stands in a notebook: its code, its prose, its records and figures."""

import re
from collections.abc import Iterator

from helpers.batch.notebook import source
from helpers.batch.results.records import record_of

NUMBER = re.compile(r"(?<![\w.\[])[-−]?\d+\.\d+(?:e[-+]?\d+)?(?![\w.])|(?<![\w.])\d+(?= ?%)")


def code_cells(notebook: dict) -> list[dict]:
    """Return the code cells."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def records(notebook: dict, kind: str) -> list[dict]:
    """Return the records of one kind in the notebook's outputs."""
    outputs = [output for cell in code_cells(notebook) for output in cell["outputs"]]
    found = [record for output in outputs if (record := record_of(output))]
    return [record for record in found if record["kind"] == kind]


def glued(cell: dict) -> set[str]:
    """Return the names that a code cell's outputs glue."""
    outputs = cell.get("outputs", [])
    return {output.get("metadata", {}).get("scrapbook", {}).get("name", "") for output in outputs}


def visible(output: dict) -> bool:
    """Say whether an output shows anything: what is glued shows itself elsewhere."""
    return "scrapbook" not in output.get("metadata", {})


def figure_metadata(cell: dict) -> tuple[dict, str]:
    """Return a cell's figure settings and its alt text."""
    settings = cell["metadata"].get("mystnb", {})
    return settings.get("figure", {}), settings.get("image", {}).get("alt", "")


def has_image(cell: dict) -> bool:
    """Say whether a code cell shows an image."""
    return any(
        kind.startswith("image/") for output in cell["outputs"] for kind in output.get("data", {})
    )


def markdown(notebook: dict) -> str:
    """Return all Markdown of the notebook, captions included."""
    texts = [source(cell) for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    captions = [figure_metadata(cell)[0].get("caption", "") for cell in code_cells(notebook)]
    return "\n\n".join([*texts, *captions])


def prose(text: str) -> str:
    """Return Markdown without code, mathematics, roles, links, the marks of directives.

    What an interval covers (95 %) is chosen, not measured: it goes as well.
    """
    text = re.sub(r"```\{(math|code\S*)\}.*?```|```\w*\n.*?```", " ", text, flags=re.DOTALL)
    text = re.sub(r"\d+ ?% interval", " ", text)
    text = re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$", " ", text, flags=re.DOTALL)
    text = re.sub(r"^(:{3,}|`{3,}).*$|^:\w+:.*$", " ", text, flags=re.MULTILINE)
    return re.sub(r"\{[\w:]+\}`[^`]*`|`[^`]*`|\]\([^)]*\)", " ", text)


def headings(notebook: dict) -> list[tuple[int, str]]:
    """Return level and text of each heading in the order of the pages."""
    found = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            text = re.sub(r"^```.*?^```", "", source(cell), flags=re.DOTALL | re.MULTILINE)
            found += re.findall(r"^(#{1,6}) +(.+)$", text, flags=re.MULTILINE)
    return [(len(marks), text.strip()) for marks, text in found]


def sections(notebook: dict) -> Iterator[list[dict]]:
    """Yield the cells of each section of the second level, the opening first."""
    section: list[dict] = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown" and source(cell).startswith("## "):
            yield section
            section = []
        section.append(cell)
    yield section


def measured_numbers(notebook: dict) -> list[float]:
    """Return the numbers that the notebook measures, percentages as such too."""
    values = []
    for record in [*records(notebook, "claim"), *records(notebook, "figure")]:
        found = (record.get(key) for key in ("effect", "low", "high", "observed", "value"))
        values += [value for value in found if isinstance(value, float)]
    printed = [
        "".join(output["text"])
        for cell in code_cells(notebook)
        for output in cell["outputs"]
        if output["output_type"] == "stream"
    ]
    values += [float(text.replace("−", "-")) for text in NUMBER.findall(" ".join(printed))]
    return values


def joined(notebook: dict) -> dict:
    """Return the notebook with each cell's source as one string."""
    return notebook | {"cells": [cell | {"source": source(cell)} for cell in notebook["cells"]]}
