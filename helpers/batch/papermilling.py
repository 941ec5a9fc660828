"""papermill as it is used here: imported fast, and handing out the notebook that it fills."""

import logging
import sys
import threading

_lock = threading.Lock()
ENGINE = "dnnbook"


def import_papermill() -> object:
    """Import papermill without what it makes jsonschema load, a grammar for URLs (1.7 s)."""
    with _lock:
        if "papermill" not in sys.modules:
            sys.modules.setdefault("rfc3987_syntax", None)
        import papermill

        # A dead kernel is told in the outcome; a second line would run into the progress bar.
        logging.getLogger("papermill").addHandler(logging.NullHandler())
        if sys.modules.get("rfc3987_syntax", ...) is None:
            del sys.modules["rfc3987_syntax"]
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
