"""What the page on running the book and the README print is what the commands print."""

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from helpers.batch.cli import main

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "book" / "running.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
EXAMPLE = ROOT / "examples" / "depth_by_activation.yml"
# What differs from one run, one machine or one version of the code to the next.
VARIABLE = {r"\d+\.\d+ s\b": "N s", r"-[0-9a-f]{8,12}\b": "-ID", r"^\[1?\d/10\] .*\n": ""}


def consoles(text):
    """Return command and output of every console block, commands continued with a backslash."""
    blocks = re.findall(r"^ *```console\n(.*?)^ *```", text, flags=re.MULTILINE | re.DOTALL)
    parts = [part for block in blocks for part in re.split(r"^ *\$ ", block, flags=re.MULTILINE)]
    pairs = [part.replace("\\\n", " ").partition("\n") for part in parts if part.strip()]
    return [(command.split("  #")[0].strip(), output) for command, _, output in pairs]


def printed(command, output):
    """Run a command here; return what it and the page print, without what varies."""
    done = CliRunner().invoke(main, shlex.split(command)[1:])
    found = done.output
    for pattern, name in VARIABLE.items():
        found = re.sub(pattern, name, found, flags=re.MULTILINE)
        output = re.sub(pattern, name, output, flags=re.MULTILINE)
    return found.splitlines(), [line for line in output.splitlines() if line != "..."]


def quick():
    """Return the commands that say something without executing a notebook."""
    pairs = {*consoles(PAGE), *consoles(README)}
    commands = sorted(pair for pair in pairs if pair[0].startswith("dnnbook") and pair[1])
    slow = ("dnnbook build", "dnnbook batch examples", "dnnbook confirm", "dnnbook report")
    done = [pair for pair in commands if pair[1].startswith("executed")]
    return [pair for pair in commands if pair not in done and not pair[0].startswith(slow)]


@pytest.mark.parametrize(("command", "output"), quick(), ids=lambda text: text[:40])
def test_a_page_prints_what_a_command_prints(command, output, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "typo.yml").write_text(typo())
    found, expected = printed(command, output)
    if "..." in output:  # an excerpt
        assert set(expected) <= set(found)
    else:
        assert found == expected


def typo():
    """Return the grid whose mistakes the page shows."""
    return re.search(r"```yaml\n(# typo\.yml\n.*?)```", PAGE, flags=re.DOTALL)[1]


def test_the_commands_are_found():
    commands = [command for command, _ in quick()]
    assert "dnnbook params gradients" in commands
    assert "dnnbook batch typo.yml" in commands
    assert len(commands) >= 5


def test_the_page_shows_the_example_as_it_is():
    assert f"```yaml\n{EXAMPLE.read_text('utf-8')}```" in PAGE


@pytest.mark.slow
def test_the_example_runs_and_is_reported_as_the_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").mkdir()
    for file in (EXAMPLE, EXAMPLE.with_suffix(".ipynb")):
        (tmp_path / "examples" / file.name).write_bytes(file.read_bytes())
    batch = f"dnnbook batch examples/{EXAMPLE.name} -o depth"
    first, again = (output for command, output in consoles(PAGE) if command == batch)
    report = dict(consoles(PAGE))["dnnbook report depth --by depth"]
    for command, output in (
        (batch, first),
        (batch, again),
        ("dnnbook report depth --by depth", report),
    ):
        found, expected = printed(command, output)
        assert found == expected
    verdicts_have_room(tmp_path / "depth")


def verdicts_have_room(folder):
    """Hold each interval that far from 0 that no processor's rounding can turn the verdict."""
    results = [json.loads(file.read_text("utf-8")) for file in folder.glob("runs/*/run.json")]
    records = [record for result in results for record in result["records"]]
    claims = [record for record in records if record["kind"] == "claim"]
    assert len(claims) == 10
    for claim in claims:
        half = (claim["high"] - claim["low"]) / 2
        assert min(abs(claim["low"]), abs(claim["high"])) > 2 * half, claim
