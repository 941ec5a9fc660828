"""What a chapter's notebook must be, one function a rule: a notebook in, complaints out.

The rules are those of the book's style that a machine can hold. Each takes the notebook as plain
JSON and the chapter's name, and returns one line for each place that breaks it.
"""

import ast
import json
import re
from collections.abc import Callable
from itertools import pairwise

from helpers.batch.ask.parameters import parse_parameters
from helpers.batch.commit.refresh import normalize
from helpers.batch.notebook import source, tags
from helpers.batch.results.records import record_of
from helpers.batch.site.sentences import SAYS
from tests.notebook_reading import (
    NUMBER,
    code_cells,
    figure_metadata,
    glued,
    has_image,
    headings,
    joined,
    markdown,
    measured_numbers,
    prose,
    records,
    sections,
    visible,
)  # fmt: skip

LONGEST_CELL = 25
LONGEST_FUNCTION = 20
SHOWN = "show-evidence"  # of a judging cell that is to be read: the recipe of chapter 0
TAGS = {"parameters", "hide-input", "hide-cell", SHOWN}
COMMON_PARAMETERS = {"dataset", "seed", "replicas"}
GLUE = re.compile(r"\{glue(?::\w+)?\}`([^`]+)`")
COMPARES = re.compile(
    r"\b(better|worse|faster|slower|cheaper|(more|less) \w+)\b[^.?!]*\bthan\b"
    r"|\boutperform|\bbeats\b"
)
FOREIGN = {
    "a machine's path": r"(?<![\w.])/(home|root|tmp|usr|opt|work|Users|private)/|[A-Z]:\\\\?Users",
    "a memory address": r"\b0x[0-9a-f]{6,}\b",
    "an installed package's path": r"site-packages|dist-packages|ipykernel_\d+",
    "a registry's address": r"pypi\.org|pythonhosted|conda\.anaconda|registry\.npmjs",
}


def declares_parameters(notebook: dict, chapter: str) -> list[str]:
    """The first code cell declares the parameters, each with its meaning, each used later."""
    first, *later = code_cells(notebook)
    tagged = [cell for cell in code_cells(notebook) if "parameters" in tags(cell)]
    if tagged != [first]:
        return ["the first code cell, and no other, must be tagged `parameters`"]
    parameters = parse_parameters(source(first))
    names = {parameter.name for parameter in parameters}
    used = set(re.findall(r"\w+", " ".join(source(cell) for cell in later)))
    return [
        *(f"parameter {item.name} has no comment" for item in parameters if not item.comment),
        *(f"parameter {name} is not used" for name in sorted(names - used)),
        *(f"parameter {name} is not declared" for name in sorted(COMMON_PARAMETERS - names)),
    ]


def opens_with_question(notebook: dict, chapter: str) -> list[str]:
    """The first cell has the title, a question, and what the reader will be able to do."""
    first = source(notebook["cells"][0])
    bullets = re.findall(r"^- ", first.partition("you can:")[2], flags=re.MULTILINE)
    return [
        *(["the first cell must begin with the title"] if not first.startswith("# ") else []),
        *(["the first cell must ask the chapter's question"] if "?" not in first else []),
        *([f"{len(bullets)} things to learn, not 3 to 6"] if not 3 <= len(bullets) <= 6 else []),
    ]


def short_cells(notebook: dict, chapter: str) -> list[str]:
    """No code cell is longer than a screen."""
    lengths = [(cell["id"], len(source(cell).splitlines())) for cell in code_cells(notebook)]
    return [f"{name} has {length} lines" for name, length in lengths if length > LONGEST_CELL]


def defines_little(notebook: dict, chapter: str) -> list[str]:
    """Classes and long functions live in `helpers`; what a reader would copy may be defined."""
    complaints = []
    for cell in code_cells(notebook):
        for node in ast.walk(ast.parse(source(cell))):
            if isinstance(node, ast.AsyncFunctionDef | ast.ClassDef):
                complaints.append(f"{cell['id']} defines {node.name}")
            lines = node.end_lineno - node.lineno + 1 if isinstance(node, ast.FunctionDef) else 0
            if lines > LONGEST_FUNCTION:
                complaints.append(f"{cell['id']} defines {node.name} in {lines} lines")
            if isinstance(node, ast.Lambda) and not isinstance(node.body, ast.Call):
                complaints.append(f"{cell['id']} has a lambda that is no call")
    return complaints


def plain_code(notebook: dict, chapter: str) -> list[str]:
    """What style forbids: titles and `show` on figures, a trailing semicolon."""
    forbidden = {
        r"\.(set_title|suptitle)\(|plt\.title\(": "gives a figure a title",
        r"plt\.show\(": "calls show",
        r";\s*$": "ends in a semicolon",
    }
    return [
        f"{cell['id']} {what}"
        for cell in code_cells(notebook)
        for pattern, what in forbidden.items()
        if re.search(pattern, source(cell))
    ]


def compares_every_output(notebook: dict, chapter: str) -> list[str]:
    """No cell is excluded from the comparison of outputs, and no tag is unknown."""
    complaints = []
    for cell in notebook["cells"]:
        unknown = sorted(set(tags(cell)) - TAGS)
        complaints += [f"{cell['id']} has the tag {tag}" for tag in unknown]
        if re.search(r"#\s*(NBVAL_|PYTEST_VALIDATE)", source(cell)):
            complaints.append(f"{cell['id']} tells nbval what not to compare")
    return complaints


def figures_are_described(notebook: dict, chapter: str) -> list[str]:
    """A figure has a caption, a name, an alt text, a reference; it is its cell's only output."""
    complaints, text = [], markdown(notebook)
    for cell in filter(has_image, code_cells(notebook)):
        (figure, alt), name = figure_metadata(cell), cell["id"]
        label = figure.get("name", "")
        if not label.startswith(f"fig-{chapter}-"):
            complaints.append(f"{name}: the figure's name must be fig-{chapter}-…, not {label!r}")
        if len(figure.get("caption", "").split()) < 5:
            complaints.append(f"{name}: the figure has no caption")
        if len(alt.split()) < 5:
            complaints.append(f"{name}: the figure has no alt text")
        if f"{{numref}}`{label}`" not in text:
            complaints.append(f"{name}: no text refers to {label}")
        if len([output for output in cell["outputs"] if visible(output)]) > 1:
            complaints.append(f"{name}: the figure is not the only output")
    return complaints


def glue_is_from_here(notebook: dict, chapter: str) -> list[str]:
    """What the prose glues, an output of the same notebook holds."""
    here = set().union(*map(glued, code_cells(notebook)))
    keys = [match.split(":")[0] for match in GLUE.findall(markdown(notebook))]
    return [f"nothing is glued as {key}" for key in sorted(set(keys) - here)]


def no_measured_number_is_typed(notebook: dict, chapter: str) -> list[str]:
    """A number in the prose that the notebook measures is glued, not typed."""
    measured = measured_numbers(notebook)
    complaints = []
    for text in NUMBER.findall(prose(markdown(notebook))):
        typed = text.replace("−", "-")
        digits = len(typed.partition("e")[0].partition(".")[2])
        if len(re.sub(r"^[-0.]+|\D", "", typed.partition("e")[0])) < 2:
            continue  # one significant digit: 0.5 is a constant more often than a measurement
        if any(float(typed) in (round(v, digits), round(100 * v, digits)) for v in measured):
            complaints.append(f"{text} is measured here, but typed")
    return complaints


def claims_are_named(notebook: dict, chapter: str) -> list[str]:
    """Claims begin with the chapter's name, and the summary lists them."""
    ids = [record["id"] for record in records(notebook, "claim")]
    foreign = [name for name in ids if not name.startswith(f"{chapter}-")]
    listed = [name for record in records(notebook, "summary") for name in record["claims"]]
    return [
        *(["the chapter has no claim"] if not ids else []),
        *(f"claim {name} must begin with {chapter}-" for name in foreign),
        *(f"claim {name} stands twice" for name in sorted({n for n in ids if ids.count(n) > 1})),
        *(f"the summary lacks {name}" for name in ids if listed and name not in listed),
        *([] if listed else ["the chapter has no summary of its claims"]),
    ]


def headings_are_in_order(notebook: dict, chapter: str) -> list[str]:
    """One title, no level left out, no number typed: the renderer numbers."""
    found = headings(notebook)
    levels = [level for level, _ in found]
    jumps = [text for (a, _), (b, text) in pairwise(found) if b > a + 1]
    return [
        *(["there must be one title, at the top"] if levels[:1] != [1] or 1 in levels[1:] else []),
        *(f"heading {text!r} leaves out a level" for text in jumps),
        *(f"heading {text!r} is numbered" for _, text in found if re.match(r"\d+[.)]", text)),
    ]


def comparisons_are_measured(notebook: dict, chapter: str) -> list[str]:
    """A section that says that something is better than something else holds a claim."""
    complaints = []
    for section in sections(notebook):
        measured = any(
            (record_of(output) or {}).get("kind") == "claim"
            for cell in section
            for output in cell.get("outputs", [])
        )
        texts = [source(cell) for cell in section if cell["cell_type"] == "markdown"]
        if measured or any(re.search(r"\{glue[:\w]*\}`[\w-]+-verdict`", text) for text in texts):
            continue
        sentences = re.split(r"(?<=[.?!])\s+|\n\n", prose("\n\n".join(texts)))
        complaints += [
            f"nothing measures {' '.join(sentence.split())!r}"
            for sentence in sentences
            if COMPARES.search(sentence)
            and not re.search(r"\?$|\b(claim|statement|verdict)s?\b", sentence.rstrip())
        ]
    return complaints


def outputs_are_read(notebook: dict, chapter: str) -> list[str]:
    """After what a cell shows stands a sentence that says what to see."""
    return [
        f"{cell['id']} shows something, and no text follows"
        for cell, following in pairwise(notebook["cells"])
        if following["cell_type"] == "code"
        and "hide-cell" not in tags(cell)
        and any(map(visible, cell.get("outputs", [])))
    ]


def names_no_machine(notebook: dict, chapter: str) -> list[str]:
    """Nothing in the file is of one machine or one registry."""
    text = json.dumps(notebook, ensure_ascii=False)
    text = re.sub(r'"image/png": "[^"]*"', "", text)
    return [
        f"{what}: {match[0]}"
        for what, pattern in FOREIGN.items()
        for match in re.finditer(pattern, text)
    ]


def is_refreshed(notebook: dict, chapter: str) -> list[str]:
    """The file is what `make refresh` writes: executed from the top, without errors."""
    counts = [cell["execution_count"] for cell in code_cells(notebook)]
    outputs = [(cell["id"], output) for cell in code_cells(notebook) for output in cell["outputs"]]
    stable = normalize(notebook)
    return [
        *(["run `make refresh`: the metadata differ"] if stable != joined(notebook) else []),
        *(["run `make refresh`"] if counts != list(range(1, len(counts) + 1)) else []),
        *(f"{name} writes to stderr" for name, out in outputs if out.get("name") == "stderr"),
        *(f"{name} fails" for name, out in outputs if out["output_type"] == "error"),
    ]


def ends_with_exercises(notebook: dict, chapter: str) -> list[str]:
    """Exercises with folded solutions, and further reading, close the chapter."""
    names = [text for level, text in headings(notebook) if level == 2]
    folded = [cell for cell in code_cells(notebook) if "hide-cell" in tags(cell)]
    prompts = [cell["metadata"].get("mystnb", {}).get("code_prompt_show") for cell in folded]
    solutions = [prompt for prompt in prompts if prompt and "olution" in prompt]
    return [
        *(["the last sections must be Exercises and Further reading"] * (names[-2:] != LAST)),
        *([f"{len(solutions)} folded solutions, not 4 or more"] if len(solutions) < 4 else []),
        *(["a folded cell must say what it shows"] if None in prompts else []),
    ]


def claims_speak(notebook: dict, chapter: str) -> list[str]:
    """Each claim with a sentence is said in the prose, in the words of this execution.

    The cell that judges it is folded with all that it shows: what it finds, the prose says. But for
    one that is tagged `show-evidence`.
    """
    text = markdown(notebook)
    roles = {match["id"]: match["text"] for match in SAYS.finditer(text)}
    complaints = [
        f"{cell['id']} judges: tag it `hide-cell`"
        for cell in code_cells(notebook)
        if not {"hide-cell", SHOWN} & set(tags(cell))
        and any((record_of(output) or {}).get("sentence") for output in cell["outputs"])
    ]
    for claim in records(notebook, "claim"):
        if claim.get("sentence") and claim["id"] not in roles:
            complaints.append(f"nobody says {claim['id']}")
        elif claim.get("sentence") and roles[claim["id"]] != claim["sentence"]:
            complaints.append(f"run `make refresh`: the prose says {roles[claim['id']]!r}")
        for name, sentence in claim.get("variants", {}).items():
            if not sentence.strip() or "{" in sentence:
                complaints.append(f"{claim['id']} has no sentence for {name}")
    return complaints


LAST = ["Exercises", "Further reading"]
RULES: list[Callable[[dict, str], list[str]]] = [
    declares_parameters, opens_with_question, short_cells, defines_little, plain_code,
    compares_every_output, figures_are_described, glue_is_from_here, no_measured_number_is_typed,
    claims_are_named, headings_are_in_order, comparisons_are_measured, outputs_are_read,
    names_no_machine, is_refreshed, ends_with_exercises, claims_speak,
]  # fmt: skip
