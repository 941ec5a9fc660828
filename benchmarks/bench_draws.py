"""8 replicas of the digits net over draws of the data, against 8 over seeds on one split."""

from measuring import QUICK, ROOT, measured_in_turns, medians, ratio, write_rows

COUNT, EPOCHS = (2, 1) if QUICK else (8, 10)


def main() -> None:
    options = {"count": COUNT, "epochs": EPOCHS}
    found = measured_in_turns(
        {over: (ROOT, "drawn", options | {"over": over}) for over in ("seeds", "draws")}
    )
    share = {what: ratio(found[what], "draws", "seeds") for what in ("processor", "wall")}
    rows = [
        {
            "replicas over": over,
            "draws / seeds": round(share["processor"], 2) if over == "draws" else None,
            "the same, wall time": round(share["wall"], 2) if over == "draws" else None,
            **medians(found, over),
        }
        for over in ("seeds", "draws")
    ]
    write_rows("draws", rows)


if __name__ == "__main__":
    main()
