"""The directive `quiz`: questions whose answers open one by one, and stand at the end in print.

Its content is Markdown that reads well without a renderer, as in JupyterLab: a numbered list of
questions with their choices, then, after a line ``Answers:``, the same list with the explanations.

    :::{quiz}
    1. What is two and two?
       - A. Four.
       - B. Five.

    Answers:

    1. A is right.
       - A: Count on your fingers.
       - B: That is two and three.
    :::

On the page each choice is a dropdown of sphinx-design, HTML's own `details`: it needs no script and
opens by the keyboard.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from helpers.batch.errors import NotebookError

ANSWERS = "Answers:"
NUMBERED = re.compile(r"(\d+)\. (.*)")
CHOICE = re.compile(r" +- ([A-Z])\. (.*)")
EXPLANATION = re.compile(r" +- ([A-Z]): (.*)")
RIGHT = re.compile(r"([A-Z]) is right\.")


@dataclass(frozen=True)
class Question:
    """A question, its choices and what is said to each of them, by their letters."""

    text: str
    choices: dict[str, str]
    explanations: dict[str, str]
    right: str


def parse_quiz(lines: Iterable[str]) -> list[Question]:
    r"""Return the questions that a quiz holds.

    Args:
        lines: the directive's content.

    Raises:
        NotebookError: A line is out of place, or a choice has no explanation.

    >>> text = "1. 1?\n   - A. 4\n   - B. 5\nAnswers:\n1. A is right.\n   - A: Yes.\n   - B: No."
    >>> parse_quiz(text.splitlines())[0].explanations["B"]
    'No.'
    """
    lines = [line.rstrip() for line in lines if line.strip()]
    place = lines.index(ANSWERS) if ANSWERS in lines else len(lines)
    asked, answered = _items(lines[:place], CHOICE), _items(lines[place + 1 :], EXPLANATION)
    if len(asked) != len(answered) or not asked:
        raise NotebookError(
            f"a quiz must answer each of its questions after a line {ANSWERS!r}. "
            f"Received: {len(asked)} questions, {len(answered)} answers"
        )
    return [_question(*both) for both in zip(asked, answered, strict=True)]


def _items(lines: Iterable[str], kind: re.Pattern) -> list[tuple[str, dict[str, str]]]:
    """Return the texts of a numbered list, each with its lettered items."""
    found: list[tuple[str, dict[str, str]]] = []
    for line in lines:
        if numbered := NUMBERED.fullmatch(line):
            found.append((numbered[2], {}))
            fits = int(numbered[1]) == len(found)
        else:
            lettered = kind.fullmatch(line)
            fits = bool(lettered and found) and lettered[1] == chr(65 + len(found[-1][1]))
            if fits:
                found[-1][1][lettered[1]] = lettered[2]
        if not fits:
            raise NotebookError(f"a quiz must be numbered lists, in order. Received: {line!r}")
    return found


def _question(asked: tuple[str, dict], answered: tuple[str, dict]) -> Question:
    (text, choices), (verdict, explanations) = asked, answered
    right = RIGHT.fullmatch(verdict)
    if right is None or right[1] not in choices or list(choices) != list(explanations):
        raise NotebookError(
            f"an answer must say which choice is right, and explain each. Received: {verdict!r} "
            f"and {', '.join(explanations)} to {text!r}"
        )
    return Question(text, choices, explanations, right[1])


class Quiz(SphinxDirective):
    """Questions with choices that open, and the answers once more, for print."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return both; what is wrong is reported at the directive's line."""
        try:
            questions = parse_quiz(list(self.content))
        except NotebookError as error:
            raise self.error(str(error)) from error
        screen = nodes.container(classes=["dnnbook-quiz"])
        for number, question in enumerate(questions, 1):
            screen += self.parse_text_to_nodes(f"**{number}.** {question.text}")
            screen += self.choices(question)
        text = "\n".join(self.content).partition(f"{ANSWERS}\n")[2]
        printed = nodes.container(classes=["dnnbook-answers"])
        printed += nodes.paragraph("", "", nodes.strong("", "Answers"))
        printed += self.parse_text_to_nodes(text)
        return [screen, printed]

    def choices(self, question: Question) -> list[nodes.Node]:
        """Return a dropdown for each choice of a question."""
        lines = []
        for letter, choice in question.choices.items():
            name, word = ("right", "Right.") if letter == question.right else ("wrong", "No.")
            lines += [
                f"::::{{dropdown}} {letter}. {choice}",
                f":class-container: dnnbook-{name}",
                "",
                f"**{word}** {question.explanations[letter]}",
                "::::",
                "",
            ]
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive with Sphinx."""
    app.add_directive("quiz", Quiz)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
