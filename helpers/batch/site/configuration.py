"""The settings of a book: `_config.yml`, of which every key must be one that something reads."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import yaml

from helpers.batch.errors import ConfigurationError, nearest
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
    refuse_unknown(_keys(configuration), known)
    return configuration


def refuse_unknown(keys: Iterable[str], known: Iterable[str]) -> None:
    """Raise a ConfigurationError at the first key that is not known."""
    known = set(known)
    for key in keys:
        if key not in known:
            raise ConfigurationError(
                f"`_config.yml` must hold known keys only. Received: {key}. {nearest(key, known)}"
            )


def below(parent: str, keys: Iterable[str]) -> list[str]:
    """Return keys as they are named from the root."""
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
    configuration = read_configuration(source / "_config.yml")  # first: it imports the fast way
    from jupyter_book.config import get_final_config

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
