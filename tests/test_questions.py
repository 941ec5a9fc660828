"""The page of questions: each is answered, leads to a chapter, and names claims that there are."""

import re
from pathlib import Path

from helpers.batch.book import chapters
from helpers.batch.notebook import read_notebook
from helpers.batch.site.sentences import spoken

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "book" / "questions.md").read_text("utf-8")
ENTRIES = re.findall(r"^(\S.*)\n: ((?:.*\n(?!\n))*.*)$", TEXT, re.MULTILINE)


def test_every_question_is_answered_and_leads_to_a_chapter():
    assert 30 <= len(ENTRIES) <= 60
    assert len({question for question, _ in ENTRIES}) == len(ENTRIES)
    led = [re.findall(r"\[\]\((\d\d_\w+\.ipynb)#[^)]+\)", answer) for _, answer in ENTRIES]
    assert all(len(places) == 1 for places in led)
    numbered = {path.name for path in chapters(ROOT) if re.match(r"0\d_", path.name)}
    assert numbered <= {place for places in led for place in places}


def test_claims_are_named_that_speak():
    known = set().union(*(spoken(read_notebook(path)) for path in chapters(ROOT)))
    named = set(re.findall(r"\{says\}`([^`]+)`", TEXT))
    assert len(named) > 20
    assert named <= known
