"""8 replicas of a recurrent net, 1,200 sequences of 8 steps, 2 epochs, against 8 calls of `fit`.

Tracing is included on all sides; it is most of what such a training costs.
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

COUNT = 2 if QUICK else 8


def main() -> None:
    rows = []
    with checked_out() as before:
        for layer in ("LSTM", "GRU"):
            options = {"name": layer, "count": COUNT, "epochs": 2}
            found = measured_in_turns(
                {
                    "fits": (ROOT, "fits", options),
                    BEFORE: (before, "first", options),
                    "now": (ROOT, "first", options),
                }
            )
            for side in (BEFORE, "now"):
                faster = {what: ratio(found[what], "fits", side) for what in ("processor", "wall")}
                rows.append(
                    {
                        "layer": layer,
                        "side": side,
                        "times faster than as many fits": round(faster["processor"], 2),
                        "the same, wall time": round(faster["wall"], 2),
                        **medians(found, side),
                    }
                )
    write_rows("recurrent", rows)


if __name__ == "__main__":
    main()
