"""A quiz closes each chapter; it opens by the keyboard, and in print its answers stand below."""

import json
import re
from pathlib import Path

import pytest

from helpers.batch.book import chapters
from helpers.batch.errors import NotebookError
from helpers.batch.notebook import read_notebook, source
from helpers.batch.site.quizzes import parse_quiz
from tests import small_books
from tests.notebook_reading import headings

ROOT = Path(__file__).parents[1]
CHAPTERS = [path for path in chapters(ROOT) if re.match(r"\d\d_", path.stem)]

TEXT = """\
1. What is $2 + 2$?
   - A. Five.
   - B. *Four*.
2. And `1 + 1`?
   - A. Two.
   - B. Three.

Answers:

1. B is right.
   - A: That is $2 + 3$.
   - B: Count.
2. A is right.
   - A: Count again.
   - B: That is **more**.
"""
PAGE = f"# Small\n\n## Quiz\n\n:::{{quiz}}\n{TEXT}:::\n"


def quiz_of(path):
    """Return the lines of a chapter's quiz, or None."""
    for cell in read_notebook(path)["cells"]:
        found = re.search(r"^:::\{quiz\}\n(.*?)^:::$", source(cell), re.DOTALL | re.MULTILINE)
        if cell["cell_type"] == "markdown" and found:
            return found[1].splitlines()
    return None


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_five_questions_close_a_chapter_and_every_choice_is_explained(path):
    lines = quiz_of(path)
    questions = parse_quiz(lines)
    assert len(questions) == 5
    for question in questions:
        assert question.text.endswith(("?", "."))
        assert len(question.choices) >= 3
        assert all(len(text.split()) >= 3 for text in question.explanations.values()), question
    assert len({question.right for question in questions}) > 1  # no letter is always right
    sections = [text for level, text in headings(read_notebook(path)) if level == 2]
    assert sections[-3:-1] == ["Quiz", "Exercises"]


class TestText:
    def test_a_quiz_worked_by_hand(self):
        first, second = parse_quiz(TEXT.splitlines())
        assert first.text == "What is $2 + 2$?"
        assert first.choices == {"A": "Five.", "B": "*Four*."}
        assert first.explanations == {"A": "That is $2 + 3$.", "B": "Count."}
        assert (first.right, second.right) == ("B", "A")

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("Answers:", "", "after a line 'Answers:'. Received: 4 questions, 0 answers|in order"),
            ("2. A is right.\n   - A: Count again.\n   - B: That is **more**.\n", "", "1 answers"),
            ("   - B: Count.\n", "", "explain each. Received: 'B is right.' and A to"),
            ("B is right", "C is right", "must say which choice is right"),
            ("B is right.", "Right.", "must say which choice is right"),
            ("2. And", "3. And", "in order. Received: '3. And"),
            ("   - B. Three.", "   - C. Three.", "in order. Received: '   - C. Three.'"),
            ("   - B. Three.", "Three.", "in order. Received: 'Three.'"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, old, new, message):
        assert old in TEXT
        with pytest.raises(NotebookError, match=message):
            parse_quiz(TEXT.replace(old, new).splitlines())

    def test_an_empty_quiz_is_refused(self):
        with pytest.raises(NotebookError, match="0 questions, 0 answers"):
            parse_quiz([])


@pytest.fixture
def render(tmp_path):
    """Return a function that renders a page and gives what was said, and its article."""

    def rendered(text):
        book = small_books.make_book(tmp_path, "01_small", index="# Book\n")
        cells = [{"cell_type": "markdown", "id": "top", "metadata": {}, "source": text}]
        notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (book / "book" / "01_small.ipynb").write_text(json.dumps(notebook))
        done, site = small_books.render(book)
        page = site / "book" / "01_small.html"
        text = page.read_text() if page.is_file() else ""
        return done, re.sub(r"\s+", " ", "".join(re.findall(r"<article.*</article>", text, re.S)))

    return rendered


def test_choices_open_and_answers_stand_below(render):
    done, page = render(PAGE)
    assert done.returncode == 0, done.stdout
    choices = re.findall(r'<details class="([^"]*)">\s*<summary.*?</details>', page)
    names = ["wrong", "right", "right", "wrong"]
    assert len(choices) == 4
    assert all(f"dnnbook-{name}" in found for name, found in zip(names, choices, strict=True))
    screen, _, printed = page.partition("dnnbook-answers")
    assert "<strong>Right.</strong> Count." in screen
    assert "<strong>No.</strong> That is <strong>more</strong>." in screen
    assert "A: Count again." in printed
    assert "<details" not in printed


def test_a_mistake_fails_the_build(render):
    done, _ = render(PAGE.replace("B is right", "Z is right"))
    assert done.returncode != 0
    assert "must say which choice is right" in done.stdout
