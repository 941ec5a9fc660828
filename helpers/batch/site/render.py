"""Renders a folder of executed pages with jupyter-book, strictly.

`jupyter-book build` ignores a misspelled key in `_config.yml`, and its second strict build on the
state of a failed first one succeeds. Here unknown keys are refused, and every build starts afresh.
"""

import copy
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import yaml

from helpers.batch.errors import BatchError, ConfigurationError, RenderError, nearest
from helpers.batch.execute.imports import without_url_grammar

# Keys whose children are named by the user or checked by Sphinx itself.
FREE = {"sphinx/config", "sphinx/local_extensions", "latex/latex_documents"}
# Extensions that jupyter-book always loads and that would name other hosts in the pages.
UNWANTED = {"sphinx_thebe", "sphinx_comments", "sphinx.ext.intersphinx"}


def read_configuration(path: Path) -> dict:
    """Return `_config.yml`, every key of which jupyter-book knows.

    Raises:
        ConfigurationError: The file is no YAML, or a key or a value is not what must be.
    """
    with without_url_grammar():
        import jsonschema
        from jupyter_book.config import PATH_YAML_DEFAULT, get_validator, validate_yaml

    try:
        configuration = yaml.safe_load(path.read_text("utf-8"))
        defaults = yaml.safe_load(PATH_YAML_DEFAULT.read_text("utf-8"))
        validate_yaml(configuration, raise_on_errors=True)
    except (OSError, yaml.YAMLError, jsonschema.ValidationError) as error:
        raise ConfigurationError(f"`_config.yml` must be valid. Received: {error}") from error
    known = set(_keys(defaults)) | set(_schema_keys(get_validator().schema))
    _refuse_unknown(_keys(configuration), known)
    return configuration


def _refuse_unknown(keys: Iterable[str], known: Iterable[str]) -> None:
    known = set(known)
    for key in keys:
        if key not in known:
            raise ConfigurationError(
                f"`_config.yml` must hold known keys only. Received: {key}. {nearest(key, known)}"
            )


def _below(parent: str, keys: Iterable[str]) -> list[str]:
    return [f"{parent}/{key}" for key in keys]


def _keys(mapping: Mapping, parent: str = "") -> Iterator[str]:
    for key, value in mapping.items():
        path = f"{parent}{key}"
        yield path
        if isinstance(value, Mapping) and path not in FREE:
            yield from _keys(value, f"{path}/")


def _schema_keys(schema: Mapping, parent: str = "") -> Iterator[str]:
    for key, value in schema.get("properties", {}).items():
        yield f"{parent}{key}"
        yield from _schema_keys(value, f"{parent}{key}/")


def sphinx_configuration(source: Path) -> dict:
    """Return the settings of Sphinx that jupyter-book makes of `source/_config.yml`."""
    from jupyter_book.config import get_final_config

    configuration = read_configuration(source / "_config.yml")
    settings, _ = get_final_config(
        user_yaml=copy.deepcopy(configuration),
        cli_config={"latex_individualpages": False},
        sourcedir=source,
        raise_on_invalid=True,
    )
    settings["extensions"] = [name for name in settings["extensions"] if name not in UNWANTED]
    settings.pop("comments_config", None)
    settings["external_toc_path"] = (source / "_toc.yml").as_posix()
    settings["nitpicky"] = True
    # Chapters have been executed; pages in Markdown that hold code are the renderer's to execute.
    excluded = settings.get("nb_execution_excludepatterns") or []
    settings["nb_execution_excludepatterns"] = [*excluded, "*.ipynb"]
    # Else a picture that a tag of HTML names is not part of the site.
    extensions = settings.get("myst_enable_extensions") or []
    settings["myst_enable_extensions"] = sorted({*extensions, "html_image"})
    return settings


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


def render(source: Path, site: Path, *, doctrees: Path) -> None:
    """Render the book in `source` into the folder `site`.

    Args:
        source: a folder with `_config.yml`, `_toc.yml` and executed pages.
        site: where the pages go.
        doctrees: where Sphinx keeps its state; empty, so that every build sees every warning.

    Raises:
        ConfigurationError: `_config.yml` holds a key that nothing reads.
        RenderError: Sphinx warned or failed; it has said so on standard output, for
            TensorFlow, which autodoc imports, says much on standard error.
    """
    from sphinx.application import Sphinx
    from sphinx.errors import SphinxError
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    settings = sphinx_configuration(source)
    own = read_configuration(source / "_config.yml").get("sphinx", {}).get("config") or {}
    with patch_docutils(), docutils_namespace():
        try:
            app = Sphinx(
                source, None, site, doctrees, "html", settings,
                status=None, warning=sys.stdout, freshenv=True,
                warningiserror=True, keep_going=True,
            )  # fmt: skip
            if "autodoc-process-docstring" in app.events.events:  # the book uses autodoc
                app.connect("autodoc-process-docstring", _escape_docstring, priority=100)
            known = app.config.values
            _refuse_unknown(_below("sphinx/config", own), _below("sphinx/config", known))
            app.build(force_all=True)
        except SphinxError as error:
            raise RenderError(f"the book could not be rendered: {error}") from error
    if app.statuscode:
        raise RenderError("the book could not be rendered without the warnings above")


def main() -> int:
    """Render as the arguments SOURCE SITE DOCTREES say; return the exit code."""
    from sphinx.util.console import nocolor

    nocolor()
    source, site, doctrees = map(Path, sys.argv[1:])
    try:
        render(source, site, doctrees=doctrees)
    except BatchError as error:
        print(error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
