"""Neighbouring folded cells share one bar; what a reader sees, or must ask for, keeps its own."""

import pytest
from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode

from helpers.batch.site.folding import join_folded

CODE, EVIDENCE = "Show the code", "Show the evidence"


def folded(text: str, prompt: str = EVIDENCE, *, output: bool = False) -> nodes.container:
    """Return a cell as MyST-NB leaves it, all under one bar but for an output that is seen."""
    bar = HideCodeCellNode(prompt_show=prompt, prompt_hide=prompt.replace("Show", "Hide"))
    bar += nodes.literal_block(text, text)
    cell = nodes.container(nb_element="cell_code")
    cell += bar
    if output:
        cell += nodes.container("", nodes.Text(f"output of {text}"), nb_element="cell_code_output")
    return cell


def seen(section: nodes.section) -> list[tuple[str, list[str]]]:
    """Return each bar's prompt, with the cells under it."""
    bars = section.findall(HideCodeCellNode)
    return [(bar["prompt_show"], [child.astext() for child in bar.children]) for bar in bars]


@pytest.mark.parametrize(
    ("prompts", "joined"),
    [
        ([EVIDENCE, EVIDENCE], EVIDENCE),
        ([CODE, CODE, CODE], CODE),
        ([CODE, EVIDENCE], "Show the code and the evidence"),
        ([EVIDENCE, CODE, CODE], "Show the code and the evidence"),
        ([f"{EVIDENCE}: who wins?", f"{EVIDENCE}: by how much?"], EVIDENCE),
        ([f"{EVIDENCE}: who wins?"] * 2, f"{EVIDENCE}: who wins?"),
    ],
)
def test_neighbours_share_a_bar_that_names_what_is_under_it(prompts, joined):
    section = nodes.section()
    section += [folded(str(k), prompt) for k, prompt in enumerate(prompts)]
    join_folded(section)
    assert seen(section) == [(joined, [str(k) for k in range(len(prompts))])]
    [bar] = section.findall(HideCodeCellNode)
    assert bar["prompt_hide"] == joined.replace("Show", "Hide")


def test_a_row_ends_with_the_cell_whose_output_is_seen():
    section = nodes.section()
    section += [folded("a"), folded("b", CODE, output=True), folded("c"), folded("d")]
    join_folded(section)
    assert seen(section) == [("Show the code and the evidence", ["a", "b"]), (EVIDENCE, ["c", "d"])]
    assert "output of b" in section.astext()


def test_prose_between_two_cells_keeps_them_apart():
    section = nodes.section()
    section += [folded("a"), nodes.paragraph("", "prose"), folded("b")]
    join_folded(section)
    assert seen(section) == [(EVIDENCE, ["a"]), (EVIDENCE, ["b"])]


@pytest.mark.parametrize("prompt", ["Show the solution", "Show the claims of this chapter"])
def test_what_asks_for_a_click_of_its_own_keeps_its_bar(prompt):
    section = nodes.section()
    section += [folded("a"), folded("b", prompt), folded("c")]
    join_folded(section)
    assert [under for _, under in seen(section)] == [["a"], ["b"], ["c"]]


def test_an_output_folded_alone_stays_where_it_is():
    cell = nodes.container(nb_element="cell_code")
    bar = HideCodeCellNode(prompt_show=EVIDENCE, prompt_hide="Hide the evidence")
    bar["classes"].append("below-input")
    cell += [nodes.literal_block("code", "code"), bar]
    section = nodes.section()
    section += [folded("a"), cell, folded("b")]
    join_folded(section)
    assert [under for _, under in seen(section)] == [["a"], [], ["b"]]
