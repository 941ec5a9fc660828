"""Measured statements and their verdicts.

A claim is an object: an id, a statement, what was measured, and a verdict. `check` judges an exact
fact, `compare` two arrays of paired replicas; `record` keeps a plain figure. Each displays itself
as a box (HTML), as one line of text, and as a JSON record under `MIME`, which is the only channel
through which results leave a notebook. `summary` lists the claims of a chapter.

`claim` holds the object, `judging` makes it and `recording` what stands beside it; `intervals`
reckons, `checks` refuses, `box` draws, and `publishing` displays and remembers.
"""

from helpers.claims.claim import (
    CONTRADICTED,
    HOLDS,
    INCONCLUSIVE,
    SCHEMA,
    VERDICT_PHRASES,
    Claim,
    Scale,
)
from helpers.claims.intervals import mean_interval
from helpers.claims.judging import check, compare
from helpers.claims.publishing import GLUE_PREFIX, MIME
from helpers.claims.recording import record, summary

__all__ = [
    "MIME",
    "GLUE_PREFIX",
    "SCHEMA",
    "HOLDS",
    "CONTRADICTED",
    "INCONCLUSIVE",
    "VERDICT_PHRASES",
    "Scale",
    "Claim",
    "check",
    "compare",
    "record",
    "summary",
    "mean_interval",
]
