"""Renders a folder of executed pages with jupyter-book, strictly.

`jupyter-book build` ignores a misspelled key in `_config.yml`, and its second strict build on the
state of a failed first one succeeds. Here unknown keys are refused, and a rendering goes on only
from the state of one without a warning: it starts afresh, unless it is told that there is one.
"""

import gc
import os
import re
import signal
import sys
from pathlib import Path

from helpers.batch.errors import BatchError, RenderError
from helpers.batch.execute.kernels.forkserver import die_with_parent
from helpers.batch.site.configuration import (
    below,
    read_configuration,
    refuse_unknown,
    sphinx_configuration,
)

PROCESSES = 4  # more gain nothing: references are resolved in one


def escape_marks(lines: list[str]) -> list[str]:
    r"""Return a docstring's lines with `*` and `|` as they stand, not as marks of emphasis.

    Formulas such as max |λ| and shapes such as (n, *image_shape) are meant literally. What stands
    in backticks is literal already, and so is an example with what it prints.

    >>> escape_marks(["max |x|, `a * b`", ">>> 2 * 3", "6", "", "* item"])
    ['max \\|x\\|, `a * b`', '>>> 2 * 3', '6', '', '* item']
    """
    escaped, in_example = [], False
    for line in lines:
        in_example = bool(line.strip()) and (in_example or line.lstrip().startswith(">>>"))
        parts = re.split(r"(``.*?``|`[^`]*`|^\s*\* )", line)
        parts[::2] = [re.sub(r"(?<!\\)([*|])", r"\\\1", part) for part in parts[::2]]
        escaped.append(line if in_example else "".join(parts))
    return escaped


def _escape_docstring(app, what, name, obj, options, lines: list[str]) -> None:
    lines[:] = escape_marks(lines)


def render(source: Path, site: Path, *, doctrees: Path, again: bool = False) -> None:
    """Render the book in `source` into the folder `site`.

    Args:
        source: a folder with `_config.yml`, `_toc.yml` and executed pages.
        site: where the pages go.
        doctrees: where Sphinx keeps its state.
        again: whether site and state are those of a rendering of the same folder, by the same
            configuration and modules, that has ended without a warning. Then only pages that have
            changed are rendered, and those that show something of them.

    Raises:
        ConfigurationError: `_config.yml` holds a key that nothing reads.
        RenderError: Sphinx warned or failed; it has said so on standard output, for
            TensorFlow, which autodoc imports, says much on standard error.
    """
    from sphinx.application import Sphinx
    from sphinx.errors import SphinxError
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    from helpers.batch.site import faster, incremental

    settings = sphinx_configuration(source)
    own = read_configuration(source / "_config.yml").get("sphinx", {}).get("config") or {}
    with patch_docutils(), docutils_namespace(), faster.libraries():
        try:
            app = Sphinx(
                source, None, site, doctrees, "html", settings,
                status=None, warning=sys.stdout, freshenv=not again,
                warningiserror=True, keep_going=True, parallel=_processes(),
            )  # fmt: skip
            if "autodoc-process-docstring" in app.events.events:  # the book uses autodoc
                app.connect("autodoc-process-docstring", _escape_docstring, priority=100)
            known = app.config.values
            refuse_unknown(below("sphinx/config", own), below("sphinx/config", known))
            faster.attach(app)
            incremental.attach(app)
            app.build(force_all=not again)
            incremental.keep(app)
        except SphinxError as error:
            raise RenderError(f"the book could not be rendered: {error}") from error
    if app.statuscode:
        raise RenderError("the book could not be rendered without the warnings above")


def _processes() -> int:
    return min(PROCESSES, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)


def main() -> int:
    """Render as the arguments SOURCE SITE DOCTREES [--again] say; return the exit code."""
    from sphinx.util.console import nocolor

    nocolor()
    die_with_parent(signal.SIGKILL)  # else it would write where the next build does
    gc.disable()  # looking through millions of living nodes took a third of the time
    source, site, doctrees, *more = sys.argv[1:]
    try:
        render(Path(source), Path(site), doctrees=Path(doctrees), again="--again" in more)
    except BatchError as error:
        print(error)
        return error.exit_code
    finally:
        gc.freeze()  # else Python looks through all of them once more when it ends
    return 0


if __name__ == "__main__":
    sys.exit(main())
