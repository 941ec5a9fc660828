"""Imports that would take seconds for a part that nothing here uses."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
GRAMMAR = "rfc3987_syntax"


@contextmanager
def without_url_grammar() -> Iterator[None]:
    """Let what is imported meanwhile load jsonschema without a grammar for URLs (1.7 s).

    jsonschema does without where the grammar's package is missing, and checks no URL then. No
    schema here has one.
    """
    with _lock:
        blocked = GRAMMAR not in sys.modules and "jsonschema" not in sys.modules
        if blocked:
            sys.modules[GRAMMAR] = None
        try:
            yield
        finally:
            if blocked:
                del sys.modules[GRAMMAR]
