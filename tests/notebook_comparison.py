"""A pytest plugin: nbval compares outputs that carry a record through that record.

A claim's verdict must be the same on every processor, its effect need not be. Outputs with a record
(see `helpers.batch.results.records`) are paired in their order and compared by its rules; their
renderings follow from it. All other outputs are nbval's, character by character. Nothing is
left out.
"""

from nbval.plugin import IPyNbCell

from helpers.batch.results.records import differences, record_of

nbval_compare = IPyNbCell.compare_outputs


def compare_outputs(self, test, ref, skip_compare=None) -> bool:
    """Compare a cell's computed outputs with the committed ones, as nbval's own method does."""
    computed = [record for output in test if (record := record_of(output)) is not None]
    committed = [record for output in ref if (record := record_of(output)) is not None]
    lines = [*_counts(committed, computed), *_positions(ref, test)]
    for old, new in zip(committed, computed, strict=False):
        name = next((old[key] for key in ("id", "name", "of", "chapter") if key in old), "record")
        lines += [f"{name}: {line}" for line in differences(old, new)]
    # nbval clears its report when it begins, and the records' part of it comes first.
    same = nbval_compare(
        self,
        [output for output in test if record_of(output) is None],
        [output for output in ref if record_of(output) is None],
        skip_compare,
    )
    self.comparison_traceback[:0] = [
        f"{self.colors.FAIL}{line}{self.colors.ENDC}" for line in lines
    ]
    return same and not lines


def _counts(committed: list[dict], computed: list[dict]) -> list[str]:
    if len(committed) == len(computed):
        return []
    return [f"{len(committed)} committed records became {len(computed)}"]


def _positions(ref: list, test: list) -> list[str]:
    """Records keep their places among the other outputs, and what glues is glued still."""
    old, new = ([_signature(output) for output in outputs] for outputs in (ref, test))
    return [] if old == new else [f"the outputs' kinds {old} became {new}"]


def _signature(output) -> tuple:
    """Say what an output is: plain, or which renderings accompany its record, glued as what."""
    if record_of(output) is None:
        return ("plain",)
    scrapbook = output.get("metadata", {}).get("scrapbook", {})
    return (*sorted(output["data"]), scrapbook.get("name", ""))


IPyNbCell.compare_outputs = compare_outputs
