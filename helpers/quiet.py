"""Import this before Keras: no start-up notices in the notebook, and no threads for small nets.

TensorFlow's C++ part writes them while it is being imported, before its own logging listens to
any environment variable, and they hold times and process ids, so that no two runs look alike.
This module imports TensorFlow with the standard error stream set aside. An import that fails
shows everything that was set aside.

The operations of a small net are shorter than handing them to another thread: with one thread a
chapter needs half the processor time, and less time by the clock. Where nets and data are large,
set TF_NUM_INTRAOP_THREADS to the number of cores; what is set already stays.
"""

import importlib
import os
import sys
import tempfile


def import_quietly(module: str) -> None:
    """Import a module while what it writes to file descriptor 2 is set aside.

    Args:
        module: Name of the module.

    Raises:
        ImportError: The import failed; what it wrote has then been written to standard error.

    Example:
        >>> import_quietly("json")
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as notices:
        os.dup2(notices.fileno(), 2)
        try:
            importlib.import_module(module)
        except BaseException:
            os.dup2(kept, 2)
            notices.seek(0)
            sys.stderr.write(notices.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


# 3: TensorFlow's later notices, as of a missing GPU, are left out too; errors are raised anyway.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
for threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")
import_quietly("tensorflow")
