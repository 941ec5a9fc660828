"""Every chapter keeps every rule; and each rule sees the notebook that breaks it."""

import copy
import json
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers.batch.book import chapter_name, chapters
from helpers.batch.commit.refresh import normalize
from helpers.batch.notebook import read_notebook
from helpers.claims import GLUE_PREFIX, MIME
from tests import notebook_rules as rules
from tests.notebook_reading import code_cells, figure_metadata, prose, records

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "book").glob("*.ipynb"))
RULES = [pytest.param(rule, id=rule.__name__) for rule in rules.RULES]
# The opening notebook has no subject of its own, hence no exercises. The errata are no chapter: no
# parameters, no question, no claims, and the tables above its cells say what these show.
NO_CHAPTER = (
    rules.declares_parameters, rules.opens_with_question, rules.claims_are_named,
    rules.outputs_are_read, rules.ends_with_exercises,
)  # fmt: skip
EXEMPT = {
    ("measurement", rules.ends_with_exercises),
    *(("errata", rule) for rule in NO_CHAPTER),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_keeps_the_rule(path, rule):
    chapter = chapter_name(path)
    if (chapter, rule) in EXEMPT:
        pytest.skip("does not apply to this chapter")
    assert rule(read_notebook(path), chapter) == []


def test_names_are_unique_over_the_book():
    names = Counter()
    for path in CHAPTERS:
        notebook = read_notebook(path)
        names.update(record["id"] for record in records(notebook, "claim"))
        labels = (figure_metadata(cell)[0].get("name") for cell in code_cells(notebook))
        names.update(filter(None, labels))
    assert [name for name, count in names.items() if count > 1] == []


def test_every_notebook_is_a_chapter_of_the_book():
    assert set(CHAPTERS) <= set(chapters(ROOT))


CLAIM = {
    "schema": 1, "kind": "claim", "id": "demo-less", "statement": "A is less than B.",
    "verdict": "holds", "method": "paired t", "scale": "difference", "effect": 0.8612,
    "low": 0.8, "high": 0.9, "confidence": 0.95, "replicas": 8, "unit": "", "observed": None,
}  # fmt: skip
OPENING = """\
# Demonstration

Is it less? After this chapter you can:

- one
- two
- three"""
PARAMETERS = 'dataset = "digits"  # data\nseed = 42  # seed\nreplicas = 8  # trainings'
SOLUTION = {"code_prompt_show": "Show the solution", "code_prompt_hide": "Hide the solution"}


def display(data, **metadata):
    return new_output("display_data", data=data, metadata=metadata)


def glue(name):
    scrapbook = {"name": name, "mime_prefix": GLUE_PREFIX}
    return display({GLUE_PREFIX + "text/plain": "'holds'"}, scrapbook=scrapbook)


def figure(label="fig-demo-line"):
    return {
        "mystnb": {
            "figure": {"caption": "The line rises with the depth.", "name": label},
            "image": {"alt": "A line that rises to the right."},
        }
    }


def good_notebook():
    """Return a notebook that keeps every rule, as plain JSON."""
    claim = display({"text/plain": "demo-less: holds", MIME: CLAIM})
    summary = {"schema": 1, "kind": "summary", "chapter": "demo", "claims": ["demo-less"]}
    exercises = []
    for number in "abcd":
        exercises.append(new_markdown_cell(f"### Exercise {number}\n\nTry it."))
        metadata = {"tags": ["hide-cell"], "mystnb": SOLUTION}
        exercises.append(new_code_cell(f"{number} = replicas", metadata=metadata))
    text = "A is faster than B, it {glue:text}`demo-less-verdict`, see {numref}`fig-demo-line`."
    cells = [
        new_markdown_cell(OPENING),
        new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        new_markdown_cell("## A section"),
        new_code_cell("x = [dataset, seed]", outputs=[claim, glue("demo-less-verdict")]),
        new_markdown_cell(text),
        new_code_cell(
            "_ = ax.plot(x)", metadata=figure(), outputs=[display({"image/png": "iVBORw0KGgo="})]
        ),
        new_markdown_cell("## Summary"),
        new_code_cell('summary("demo")', outputs=[display({"text/plain": "x", MIME: summary})]),
        new_markdown_cell("## Exercises"),
        *exercises,
        new_markdown_cell("## Further reading\n\n{cite}`glorot2010`"),
    ]
    notebook = new_notebook(cells=cells)
    for count, cell in enumerate((c for c in cells if c.cell_type == "code"), start=1):
        cell.execution_count = count
    return json.loads(nbformat.writes(nbformat.from_dict(normalize(notebook))))


@pytest.fixture
def notebook():
    return copy.deepcopy(good_notebook())


def find(notebook, text):
    """Return the first cell whose source holds the text."""
    return next(cell for cell in notebook["cells"] if text in "".join(cell["source"]))


def replace(notebook, old, new):
    """Replace text in the first cell that holds it."""
    cell = find(notebook, old)
    cell["source"] = "".join(cell["source"]).replace(old, new)


@pytest.mark.parametrize("rule", RULES)
def test_the_good_notebook_keeps_the_rule(rule, notebook):
    assert rule(notebook, "demo") == []


LONG = "\n".join(["x = 1"] * 26)
TYPED = "The mean is 0.86 here."


@pytest.mark.parametrize(
    ("rule", "old", "new", "complaint"),
    [
        (rules.declares_parameters, "seed = 42  # seed", "seed = 42", "seed has no comment"),
        (rules.declares_parameters, "[dataset, seed]", "[dataset]", "seed is not used"),
        (rules.declares_parameters, "replicas = 8  # trainings", "", "replicas is not declared"),
        (rules.opens_with_question, "# Demonstration", "Demonstration", "begin with the title"),
        (rules.opens_with_question, "Is it less?", "It is less.", "ask the chapter's question"),
        (rules.opens_with_question, "- three", "", "2 things to learn"),
        (rules.short_cells, "_ = ax.plot(x)", LONG, "has 26 lines"),
        (rules.defines_little, "_ = ax.plot(x)", "def f():\n" + "    pass\n" * 20, "f in 21 lines"),
        (rules.defines_little, "_ = ax.plot(x)", "class A:\n    pass", "defines A"),
        (rules.defines_little, "_ = ax.plot(x)", "f = lambda x: x + 1", "lambda that is no call"),
        (rules.plain_code, "_ = ax.plot(x)", "_ = ax.set_title('x')", "a title"),
        (rules.plain_code, "_ = ax.plot(x)", "plt.show()", "calls show"),
        (rules.plain_code, "_ = ax.plot(x)", "ax.plot(x);", "semicolon"),
        (rules.compares_every_output, "_ = ax", "# NBVAL_IGNORE_OUTPUT\n_ = ax", "not to compare"),
        (rules.figures_are_described, "{numref}`fig-demo-line`", "it", "no text refers to"),
        (rules.glue_is_from_here, "`demo-less-verdict`", "`demo-more-verdict`", "demo-more-v"),
        (rules.glue_is_from_here, "`demo-less-verdict`", "`share:.2f`", "glued as share"),
        (rules.no_measured_number_is_typed, "A is faster than B", TYPED, "0.86 is measured"),
        (rules.no_measured_number_is_typed, "A is faster than B", "86 % of it", "86 is measured"),
        (rules.headings_are_in_order, "## Summary", "# Summary", "one title"),
        (rules.headings_are_in_order, "## Summary", "#### Summary", "leaves out a level"),
        (rules.headings_are_in_order, "## Summary", "## 2. Summary", "is numbered"),
        (rules.comparisons_are_measured, "Try it.", "A is better than B.", "'A is better than B"),
        (rules.comparisons_are_measured, "Try it.", "ELU outperforms it.", "ELU outperforms it"),
        (rules.names_no_machine, "Try it.", "See /home/me/x.", "a machine's path"),
        (rules.names_no_machine, "Try it.", "At 0x7f2803dbac90.", "a memory address"),
        (rules.names_no_machine, "Try it.", "From " + "pypi" + ".org.", "a registry's address"),
        (rules.ends_with_exercises, "## Exercises", "## Tasks", "last sections must be"),
    ],
)
def test_a_rule_sees_text_that_breaks_it(rule, old, new, complaint, notebook):
    replace(notebook, old, new)
    complaints = rule(notebook, "demo")
    assert len(complaints) == 1
    assert complaint in complaints[0]


def test_questions_code_and_mathematics_are_no_statements(notebook):
    text = "Is A better than B? It is `0.86` or $0.86$.\n\n```{math}\n0.86\n```\n"
    text += "A claim that A is better than B, with its 86% interval."
    replace(notebook, "Try it.", text)
    assert "0.86" not in prose(text)
    for rule in (rules.comparisons_are_measured, rules.no_measured_number_is_typed):
        assert rule(notebook, "demo") == []


def output_of(notebook, text):
    return find(notebook, text)["outputs"]


def without_caption(notebook):
    find(notebook, "ax.plot")["metadata"]["mystnb"]["figure"]["caption"] = ""


def without_alt(notebook):
    find(notebook, "ax.plot")["metadata"]["mystnb"]["image"]["alt"] = "figure"


def named_otherwise(notebook):
    find(notebook, "ax.plot")["metadata"] = figure("line")


def two_outputs(notebook):
    output_of(notebook, "ax.plot").append(display({"text/plain": "1"}))


def unknown_tag(notebook):
    find(notebook, "ax.plot")["metadata"]["tags"] = ["nbval-skip"]


def tagged_twice(notebook):
    find(notebook, "ax.plot")["metadata"]["tags"] = ["parameters"]


def foreign_claim(notebook):
    record = CLAIM | {"id": "other-less"}
    output_of(notebook, "x = [")[0]["data"][MIME] = record
    output_of(notebook, "summary(")[0]["data"][MIME]["claims"] = ["other-less"]


def claim_twice(notebook):
    output_of(notebook, "x = [").append(copy.deepcopy(output_of(notebook, "x = [")[0]))


def no_claims(notebook):
    output_of(notebook, "x = [").clear()


def no_summary(notebook):
    output_of(notebook, "summary(").clear()


def incomplete_summary(notebook):
    output_of(notebook, "summary(")[0]["data"][MIME]["claims"] = ["demo-other"]


def unread(notebook):
    notebook["cells"].remove(find(notebook, "A is faster"))


def stderr(notebook):
    output_of(notebook, "x = [").append({"output_type": "stream", "name": "stderr", "text": "!"})


def error(notebook):
    failure = {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}
    output_of(notebook, "x = [").append(failure)


def not_executed(notebook):
    find(notebook, "x = [")["execution_count"] = None


def timed(notebook):
    notebook["metadata"]["papermill"] = {"duration": 1.0}


def other_kernel(notebook):
    notebook["metadata"]["kernelspec"]["name"] = "my-venv"


def random_id(notebook):
    notebook["cells"][2]["id"] = "1f4d2c3b"


def unfolded(notebook):
    del find(notebook, "a = replicas")["metadata"]["tags"]


def nameless_fold(notebook):
    del find(notebook, "a = replicas")["metadata"]["mystnb"]


def test_a_cell_that_judges_a_claim_that_speaks_is_folded(notebook):
    claim = next(o for o in output_of(notebook, "x = [") if MIME in o["data"])
    assert not any("hide-cell" in text for text in rules.claims_speak(notebook, "demo"))
    claim["data"][MIME]["sentence"] = "A ends below B"
    assert any("tag it `hide-cell`" in text for text in rules.claims_speak(notebook, "demo"))
    find(notebook, "x = [")["metadata"]["tags"] = ["hide-cell"]
    assert not any("hide-cell" in text for text in rules.claims_speak(notebook, "demo"))


@pytest.mark.parametrize(
    ("rule", "breaks", "complaint"),
    [
        (rules.declares_parameters, tagged_twice, "and no other, must be tagged"),
        (rules.figures_are_described, without_caption, "no caption"),
        (rules.figures_are_described, without_alt, "no alt text"),
        (rules.figures_are_described, named_otherwise, "must be fig-demo-"),
        (rules.figures_are_described, two_outputs, "not the only output"),
        (rules.compares_every_output, unknown_tag, "has the tag nbval-skip"),
        (rules.claims_are_named, foreign_claim, "must begin with demo-"),
        (rules.claims_are_named, claim_twice, "stands twice"),
        (rules.claims_are_named, no_claims, "has no claim"),
        (rules.claims_are_named, no_summary, "no summary"),
        (rules.claims_are_named, incomplete_summary, "lacks demo-less"),
        (rules.comparisons_are_measured, no_claims, None),
        (rules.outputs_are_read, unread, "no text follows"),
        (rules.is_refreshed, stderr, "writes to stderr"),
        (rules.is_refreshed, error, "fails"),
        (rules.is_refreshed, not_executed, "make refresh"),
        (rules.is_refreshed, timed, "metadata differ"),
        (rules.is_refreshed, other_kernel, "metadata differ"),
        (rules.is_refreshed, random_id, "metadata differ"),
        (rules.ends_with_exercises, unfolded, "3 folded solutions"),
        (rules.ends_with_exercises, nameless_fold, "say what it shows"),
    ],
)
def test_a_rule_sees_cells_that_break_it(rule, breaks, complaint, notebook):
    breaks(notebook)
    complaints = rule(notebook, "demo")
    if complaint is None:  # the verdict that the prose glues measures as well
        assert complaints == []
    else:
        assert any(complaint in line for line in complaints)
