"""Threads read code side by side."""

import ast
import gc
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers.batch.ask.syntax import parsed

CODE = "x = [a.b for a in c if d]\n" * 20


@pytest.fixture
def much_garbage():
    """Garbage is collected all the time, and another thread goes on meanwhile."""

    def give_way(phase, info):
        time.sleep(0)

    before = gc.get_threshold()
    gc.set_threshold(5)
    gc.callbacks.append(give_way)
    yield
    gc.callbacks.remove(give_way)
    gc.set_threshold(*before)


@pytest.mark.slow
def test_threads_do_not_disturb_each_other(much_garbage):
    """`ast.parse` raises a SystemError here, in a Python before 3.11.8."""
    with ThreadPoolExecutor(4) as pool:
        trees = list(pool.map(parsed, [CODE] * 40))
    assert {ast.dump(tree) for tree in trees} == {ast.dump(ast.parse(CODE))}


def test_an_expression_and_what_is_no_python():
    assert ast.literal_eval(parsed("[1, 2]", mode="eval")) == [1, 2]
    with pytest.raises(SyntaxError):
        parsed("1 +")
