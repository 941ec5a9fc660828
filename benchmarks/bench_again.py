"""What a search costs: a second call in a process, and 72 replicas at once.

The digits net (5 × 100, Adam, validation each epoch). Both sides are measured by processor time and
by the peak of memory: the commit that the engine is compared with, and the working tree.
"""

from measuring import (
    BEFORE,
    QUICK,
    ROOT,
    checked_out,
    measured_in_turns,
    medians,
    ratio,
    write_rows,
)

EPOCHS = 1 if QUICK else 10
CASES = {
    "8 replicas, the second call": ("again", {"count": 8, "epochs": EPOCHS}),
    "9 rates × 8 seeds": ("first", {"count": 8, "rates": 9, "epochs": 1 if QUICK else 4}),
    "72 seeds": ("first", {"count": 72, "epochs": 1 if QUICK else 4}),
}


def main() -> None:
    rows = []
    with checked_out() as before:
        for what, (case, options) in CASES.items():
            options = options | {"name": "digits"}
            found = measured_in_turns(
                {BEFORE: (before, case, options), "now": (ROOT, case, options)}
            )
            shares = {
                f"{figure}, now / {BEFORE}": round(ratio(found[figure], "now", BEFORE), 2)
                for figure in ("processor", "wall", "memory")
            }
            rows += [
                {"what": what, "side": BEFORE, **dict.fromkeys(shares), **medians(found, BEFORE)},
                {"what": what, "side": "now", **shares, **medians(found, "now")},
            ]
    write_rows("again", rows)


if __name__ == "__main__":
    main()
