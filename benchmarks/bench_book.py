"""`make book`, installed, from nothing built."""

import shutil
import subprocess
from pathlib import Path

from measuring import seconds, write_rows

ROOT = Path(__file__).parent.parent


def main() -> None:
    shutil.rmtree(ROOT / "_build", ignore_errors=True)
    took = seconds(lambda: subprocess.run(["make", "book"], cwd=ROOT, check=True))
    write_rows("book", [{"make book, seconds": round(took)}])


if __name__ == "__main__":
    main()
