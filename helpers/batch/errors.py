"""What can go wrong when notebooks are run, and the exit code that each means."""

import difflib
from collections.abc import Iterable


class BatchError(Exception):
    """Base of all errors that a user of `dnnbook` sees as one message without a traceback."""

    exit_code = 1


class UsageError(BatchError):
    """The request itself is wrong: nothing has run, nothing has been written."""

    exit_code = 2


class UnknownChapterError(UsageError):
    """No chapter of the book and no notebook has this name."""


class AmbiguousChapterError(UnknownChapterError):
    """Several chapters have this name."""


class ParameterError(UsageError):
    """A parameter is not declared, mistyped or out of its range."""


class NotebookError(UsageError):
    """A file is no notebook, or its parameters cell is not what one must be."""


class ConfigurationError(UsageError):
    """`_config.yml` or `_toc.yml` holds what nothing reads."""


class ExecutionError(BatchError):
    """A notebook stopped: a cell failed, or the kernel died or timed out."""


class InfrastructureError(BatchError):
    """A run was lost for a reason that is not the notebook's: it may well succeed next time."""


class RenderError(BatchError):
    """The book could not be rendered without a warning."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Say which valid name is meant, or all of them if none is near.

    >>> nearest("replica", ["replicas", "seed"])
    'Did you mean replicas?'
    >>> nearest("x", ["replicas", "seed"])
    'Possible: replicas, seed.'
    """
    valid = sorted(valid)
    close = difflib.get_close_matches(name, valid, n=1)
    if close:
        return f"Did you mean {close[0]}?"
    return f"Possible: {', '.join(valid)}." if valid else "There is none."
