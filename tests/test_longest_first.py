"""The order in which files of tests are handed out."""

from pathlib import Path
from types import SimpleNamespace

from tests.longest_first import pytest_collection_modifyitems


def item(name, number, slow=False):
    return SimpleNamespace(
        path=Path(name), number=number, get_closest_marker=lambda marker: slow or None
    )


def test_files_that_take_long_come_first_and_tests_stay_in_their_order():
    quick = [item("a.py", number) for number in range(50)]  # 5 s
    chapter = [item("b.ipynb", number) for number in range(10)]  # 10 s
    slow = [item("c.py", 0), item("c.py", 1, slow=True)]  # 20.1 s
    items = [*quick, *chapter, *slow]
    pytest_collection_modifyitems(items)
    assert items == [*slow, *chapter, *quick]
