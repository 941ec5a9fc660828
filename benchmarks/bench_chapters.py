"""Processor time of each chapter at its defaults, imports included."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import write_rows

BOOK = Path(__file__).parent.parent / "book"


def processor_seconds(command: list[str]) -> float:
    """Return user and system time of a command and all its children."""
    before = os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = os.times()
    used = after.children_user - before.children_user
    return used + after.children_system - before.children_system


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for notebook in sorted(BOOK.glob("[0-9][0-9]_*.ipynb")):
            papermill = [sys.executable, "-m", "papermill", "--cwd", str(BOOK), str(notebook)]
            used = processor_seconds([*papermill, str(Path(folder) / notebook.name)])
            rows.append({"chapter": notebook.stem, "processor seconds": round(used)})
    write_rows("chapters", rows)


if __name__ == "__main__":
    main()
