"""Sixteen runs of chapter 1 at reduced size: `dnnbook batch` against papermill's command.

All three sides begin with nothing in memory and end with sixteen executed notebooks.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import seconds, write_rows

ROOT = Path(__file__).parent.parent
CHAPTER = ROOT / "book" / "01_gradients.ipynb"
RUNS = 16
REDUCED = {
    "replicas": 2,
    "epochs": 1,
    "train_size": 100,
    "batch_size": 50,
    "depth": 3,
    "width": 10,
    "probe_size": 5,
    "steps": 10,
}


def batch(folder: Path) -> None:
    """One command for all runs."""
    grid = folder / "grid.yml"
    lines = [f"  {name}: {value}" for name, value in REDUCED.items()]
    seeds = [f"  seed: {list(range(RUNS))}"]
    grid.write_text("\n".join([f"chapters: [{CHAPTER}]", "parameters:", *lines, *seeds]))
    command = [sys.executable, "-m", "helpers.batch.cli", "batch", grid, "-o", folder / "batch"]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)


def shell(folder: Path, at_a_time: int) -> None:
    """One command for each run, `at_a_time` of them at a time."""
    parameters = " ".join(f"-p {name} {value}" for name, value in REDUCED.items())
    line = (
        f"{sys.executable} -m papermill {CHAPTER} {folder}/{{}}.ipynb --cwd {CHAPTER.parent} "
        f"--no-progress-bar -p seed {{}} {parameters}"
    )
    numbers = "\n".join(str(seed) for seed in range(RUNS))
    command = ["xargs", "-P", str(at_a_time), "-I{}", "sh", "-c", line]
    subprocess.run(command, input=numbers, text=True, check=True, capture_output=True)
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
