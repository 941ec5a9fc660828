"""TensorFlow's start-up notices stay out of notebooks, and failures do not."""

import subprocess
import sys

import pytest

NOISY = "import os, time\nos.write(2, b'notice\\n')\n"


def run(code, tmp_path):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )


@pytest.mark.slow
def test_importing_tensorflow_writes_nothing(tmp_path):
    done = run("import helpers.quiet, keras; keras.ops.ones(3)", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_what_a_module_writes_is_set_aside_and_later_output_is_not(tmp_path):
    (tmp_path / "noisy.py").write_text(NOISY)
    code = "from helpers.quiet import import_quietly as q\nq('noisy')\nimport os\nos.write(2, b'x')"
    assert run(code, tmp_path).stderr == "x"


@pytest.mark.slow
def test_a_failing_import_shows_what_was_set_aside(tmp_path):
    (tmp_path / "broken.py").write_text(NOISY + "raise ImportError('broken')\n")
    done = run("from helpers.quiet import import_quietly as q\nq('broken')", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("notice\n")
    assert "ImportError: broken" in done.stderr
