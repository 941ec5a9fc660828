"""Errata: which sentences of the notes are wrong, and what Keras 3 answers to calls of Keras 2.

`ledger` keeps the verdict on each entry, from what a cell has shown. `calls` runs old calls beside
new ones and tables what comes of them.
"""

from helpers.errata.calls import Answer, Call, Migration, ask
from helpers.errata.ledger import PROVED, READ, STRUCK, Ledger, Verdict

__all__ = [
    "PROVED",
    "READ",
    "STRUCK",
    "Verdict",
    "Ledger",
    "Answer",
    "Call",
    "ask",
    "Migration",
]
