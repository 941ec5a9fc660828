"""Processor time of each chapter at its defaults, imports included; and of its trainings alone.

The other side is the commit that the engine is compared with: its chapters on its own `helpers`.
What chapters 5 and 6 train is counted by itself: there it was NumPy before.
"""

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from measuring import (
    BEFORE,
    QUICK,
    ROOT,
    ROUNDS,
    checked_out,
    environment,
    in_turns,
    measured_in_turns,
    medians,
    ratio,
    write_rows,
)

ONCE_NUMPY = ("05_clipping", "06_transfer")
FEW = {"05_clipping": {"epochs": 2, "replicas": 2}, "06_transfer": {"replicas": 2}}


def processor_seconds(tree: Path, notebook: str) -> float:
    """Return user and system time of executing a chapter, with all its processes."""
    book = tree / "book"
    papermill = [sys.executable, "-m", "papermill", "--cwd", str(book)]
    before = os.times()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [*papermill, str(book / notebook), str(Path(folder) / notebook)],
            env=environment(tree),
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    after = os.times()
    used = after.children_user - before.children_user
    return used + after.children_system - before.children_system


def main() -> None:
    rows, trainings = [], []
    notebooks = sorted((ROOT / "book").glob("[0-9][0-9]_*.ipynb"))[: 1 if QUICK else None]
    with checked_out() as before:
        for notebook in notebooks:
            sides = {
                BEFORE: partial(processor_seconds, before, notebook.name),
                "now": partial(processor_seconds, ROOT, notebook.name),
            }
            found = in_turns(sides, rounds=ROUNDS, measure=lambda call: call())
            rows.append(
                {"chapter": notebook.stem} | {s: sorted(t)[len(t) // 2] for s, t in found.items()}
            )
        for chapter in ONCE_NUMPY:
            options = {"notebook": chapter, "parameters": FEW[chapter] if QUICK else {}}
            found = measured_in_turns(
                {BEFORE: (before, "chapter", options), "now": (ROOT, "chapter", options)}
            )
            share = round(ratio(found["processor"], "now", BEFORE), 2)
            trainings += [
                {
                    "trainings of": chapter,
                    "side": side,
                    f"now / {BEFORE}": share if side == "now" else None,
                }
                | medians(found, side)
                for side in (BEFORE, "now")
            ]
    rows.append(
        {"chapter": "sum"} | {side: sum(row[side] for row in rows) for side in (BEFORE, "now")}
    )
    for row in rows:
        row |= {side: round(row[side]) for side in (BEFORE, "now")}
        row[f"now / {BEFORE}"] = round(row["now"] / max(row[BEFORE], 1), 2)
    write_rows("chapters", rows)
    write_rows("chapter_trainings", trainings)


if __name__ == "__main__":
    main()
