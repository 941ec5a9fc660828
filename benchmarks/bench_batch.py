"""Sixteen runs of chapter 1 at its least: `dnnbook batch` against papermill's command.

All three sides begin with nothing in memory and end with sixteen executed notebooks.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import QUICK, ROOT, environment, seconds, write_rows

CHAPTER = ROOT / "book" / "01_gradients.ipynb"
RUNS = 2 if QUICK else 16
# The least that the chapter declares, and a batch that makes an epoch few steps.
REDUCED = {
    "replicas": 2,
    "epochs": 1,
    "batch_size": 200,
    "train_size": 400,
    "depth": 4,
    "width": 10,
    "probe_size": 2,
    "trained_depth": 2,
    "trained_width": 10,
    "steps": 4,
}


def batch(folder: Path) -> None:
    """One command for all runs."""
    grid = folder / "grid.yml"
    lines = [f"  {name}: {value}" for name, value in REDUCED.items()]
    seeds = [f"  seed: {list(range(RUNS))}"]
    grid.write_text("\n".join([f"chapters: [{CHAPTER}]", "parameters:", *lines, *seeds]))
    command = [sys.executable, "-m", "helpers.batch.cli", "batch", grid, "-o", folder / "batch"]
    subprocess.run(command, check=True, cwd=ROOT, env=environment(ROOT), capture_output=True)


def shell(folder: Path, at_a_time: int) -> None:
    """One command for each run, `at_a_time` of them at a time."""
    parameters = " ".join(f"-p {name} {value}" for name, value in REDUCED.items())
    line = (
        f"{sys.executable} -m papermill {CHAPTER} {folder}/{{}}.ipynb --cwd {CHAPTER.parent} "
        f"--no-progress-bar -p seed {{}} {parameters}"
    )
    numbers = "\n".join(str(seed) for seed in range(RUNS))
    command = ["xargs", "-P", str(at_a_time), "-I{}", "sh", "-c", line]
    options = {"input": numbers, "text": True, "env": environment(ROOT)}
    subprocess.run(command, check=True, capture_output=True, **options)
    assert len(list(folder.glob("*.ipynb"))) == RUNS


def main() -> None:
    times = {}
    sides = {
        "dnnbook batch": batch,
        "papermill, xargs -P 2": lambda folder: shell(folder, 2),
        "papermill, one by one": lambda folder: shell(folder, 1),
    }
    for name, side in sides.items():
        with tempfile.TemporaryDirectory() as folder:
            times[name] = seconds(lambda side=side, folder=folder: side(Path(folder)))
        print(f"{name}: {times[name]:.0f} s", flush=True)
    ours = times["dnnbook batch"]
    rows = [
        {"side": name, "seconds": round(took), "times as long": round(took / ours, 2)}
        for name, took in times.items()
    ]
    write_rows("batch", rows)


if __name__ == "__main__":
    main()
