"""papermill as it is used here: imported fast, and handing out the notebook that it fills."""

import logging
import threading

from helpers.batch.execute.imports import without_url_grammar

_lock = threading.Lock()
ENGINE = "dnnbook"
logger = logging.getLogger("papermill")


def import_papermill() -> object:
    """Import papermill, fast, and keep its messages to itself."""
    with without_url_grammar():
        import papermill

    with _lock:  # a dead kernel is told in the outcome; a second line would run into the progress
        if not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            logger.addHandler(logging.NullHandler())
    return papermill


def register_engine() -> str:
    """Register, once, an engine with our own client, and a translator that knows tuples.

    Returns:
        Its name. It takes one more option, `started`, which is called with the notebook and the
        client that are about to be used.
    """
    from papermill.engines import NBClientEngine, papermill_engines
    from papermill.translators import PythonTranslator, papermill_translators

    from helpers.batch.execute.client import Client

    class Engine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(
            cls, nb_man, kernel_name, *, started, start_timeout, input_path, log_output, **options
        ) -> None:
            options |= {"kernel_name": kernel_name, "startup_timeout": start_timeout}
            client = Client(nb_man, log=logger, **options)
            started(nb_man.nb, client)
            client.execute()

    class Translator(PythonTranslator):
        @classmethod
        def translate(cls, val: object) -> str:
            if isinstance(val, tuple):
                return f"({''.join(f'{cls.translate(item)}, ' for item in val)})"
            return super().translate(val)

    with _lock:
        if ENGINE not in papermill_engines._engines:
            papermill_engines.register(ENGINE, Engine)
            papermill_translators.register("python", Translator)
    return ENGINE
