"""papermill as it is used here: imported fast, and handing out the notebook that it fills."""

import logging
import threading

from helpers.batch.imports import without_url_grammar

_lock = threading.Lock()
ENGINE = "dnnbook"


def import_papermill() -> object:
    """Import papermill, fast, and keep its messages to itself."""
    with without_url_grammar():
        import papermill

    with _lock:  # a dead kernel is told in the outcome; a second line would run into the progress
        logger = logging.getLogger("papermill")
        if not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            logger.addHandler(logging.NullHandler())
    return papermill


def register_engine() -> str:
    """Register, once, an engine that hands out the notebook that it is about to fill.

    Returns:
        Its name. It takes one more option, `started`, which is called with the notebook.
    """
    from papermill.engines import NBClientEngine, papermill_engines

    class Engine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man, kernel_name, *, started, **options) -> None:
            started(nb_man.nb)
            super().execute_managed_notebook(nb_man, kernel_name, **options)

    with _lock:
        if ENGINE not in papermill_engines._engines:
            papermill_engines.register(ENGINE, Engine)
    return ENGINE
