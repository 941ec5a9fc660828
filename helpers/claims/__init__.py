"""Measured statements and their verdicts.

A claim is an object: an id, a statement, what was measured, and a verdict. `check` judges an exact
fact, `compare` two arrays of paired replicas. `judge` opens the judge sets of draws, `observe`
takes what replicas showed elsewhere; the `Judged` that both return compares arms, times and
predictions, with a margin and in words. `record` keeps a plain figure. Each displays itself as a
box (HTML), as one line of text, and as a JSON record under `MIME`, which is the only channel
through which results leave a notebook. `summary` lists the claims of a chapter.

`claim` holds the object; `comparing` makes it of what is at hand; `measuring` measures arms,
`judged` finds what is asked of them, and `answering` makes it of that. `sentences` word it, and
`recording` makes what stands beside it. `intervals`, `resampling` and `arriving` reckon,
`simulating` tries what they cover, `checks` refuses, `confirming` compares with what was run on
fresh draws, `box` draws, and `publishing` displays and remembers.
"""

from helpers.claims.arriving import first_at_most, time_ratio
from helpers.claims.claim import (
    CONTRADICTED,
    HOLDS,
    INCONCLUSIVE,
    SAME,
    SCHEMA,
    VERDICT_PHRASES,
    Claim,
    Scale,
)
from helpers.claims.comparing import check, compare
from helpers.claims.intervals import mean_interval
from helpers.claims.judged import Judged
from helpers.claims.measuring import Drawn, Trained, judge, observe
from helpers.claims.publishing import GLUE_PREFIX, MIME
from helpers.claims.recording import record, summary
from helpers.claims.resampling import Resampled, kept_after_correction, resampled_interval
from helpers.claims.sentences import Says
from helpers.claims.simulating import simulated_coverage

__all__ = [
    "MIME",
    "GLUE_PREFIX",
    "SCHEMA",
    "HOLDS",
    "CONTRADICTED",
    "INCONCLUSIVE",
    "SAME",
    "VERDICT_PHRASES",
    "Scale",
    "Claim",
    "check",
    "compare",
    "record",
    "summary",
    "mean_interval",
    "Drawn",
    "Judged",
    "Resampled",
    "Trained",
    "Says",
    "judge",
    "observe",
    "first_at_most",
    "time_ratio",
    "kept_after_correction",
    "resampled_interval",
    "simulated_coverage",
]
