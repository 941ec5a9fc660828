"""One bar for folded cells that stand one after the other.

A Sphinx extension. MyST-NB gives every folded cell a bar of its own, and a section that keeps its
code and its evidence out of the way would show a stack of them. Neighbours are joined here, up to
the cell whose output a reader sees: its folded code is still the last thing under the bar.
"""

from collections.abc import Iterable

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

AFTER_FOLDING = 200  # MyST-NB folds cells at 199
CODE, EVIDENCE = "the code", "the evidence"


def _bar(cell: nodes.Node) -> HideCodeCellNode | None:
    """Return the bar that a cell begins with, if it may be joined with another's."""
    is_cell = isinstance(cell, nodes.container) and cell.get("nb_element") == "cell_code"
    first = cell.children[0] if is_cell and cell.children else None
    if not isinstance(first, HideCodeCellNode) or "below-input" in first["classes"]:
        return None
    # What asks for a click of its own, like the solution of an exercise, keeps its bar.
    return first if first["prompt_show"].startswith((f"Show {CODE}", f"Show {EVIDENCE}")) else None


def _name(bars: Iterable[HideCodeCellNode]) -> str:
    """Return what is under a joined bar."""
    prompts = {bar["prompt_show"].removeprefix("Show ") for bar in bars}
    if len(prompts) == 1:
        return prompts.pop()
    found = [name for name in (CODE, EVIDENCE) if any(name in prompt for prompt in prompts)]
    return " and ".join(found)


def join_folded(parent: nodes.Element) -> None:
    """Give each row of neighbouring folded cells among a node's children one bar.

    Args:
        parent: a section of a page, whose code cells MyST-NB has folded.
    """
    row: list[tuple[nodes.Element, HideCodeCellNode]] = []  # cells that wait for the next
    for cell in list(parent.children):
        bar = _bar(cell)
        if bar is not None and row:
            before, joined = row.pop()
            name = _name([joined, bar])
            bar["prompt_show"], bar["prompt_hide"] = f"Show {name}", f"Hide {name}"
            bar.children = [*joined.children, *bar.children]
            parent.remove(before)
        hides_all = bar is not None and len(cell.children) == 1
        row = [(cell, bar)] if hides_all else []


class JoinFolded(SphinxPostTransform):
    """Join the bars of neighbouring folded cells on every page."""

    default_priority = AFTER_FOLDING
    formats = ("html",)

    def run(self, **kwargs: object) -> None:
        """Join them, section by section."""
        for section in list(self.document.findall(nodes.section)):
            join_folded(section)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transform with Sphinx."""
    app.add_post_transform(JoinFolded)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
