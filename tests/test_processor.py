"""A run says on which kind of processor it was made."""

import pytest

from helpers.batch.results import processor
from helpers.batch.results.processor import described, this_processor

XEON = """\
processor\t: 0
model name\t: Intel(R) Xeon(R)  CPU @ 2.20GHz
flags\t\t: fpu sse4_1 avx avx2 avx512f

processor\t: 1
model name\t: another
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine without a description, and without GPUs and switches."""
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(processor, "GPUS", tmp_path / "gpus")
    for name in (*processor.NARROWED_BY, "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    this_processor.cache_clear()
    yield tmp_path
    this_processor.cache_clear()


@pytest.mark.parametrize(
    ("cpuinfo", "kind"),
    [
        (XEON, "Intel(R) Xeon(R) CPU @ 2.20GHz, AVX-512"),
        ("model name: A\nflags: sse4_1\n", "A"),
        (
            "CPU implementer: 0x41\nCPU part: 0xd4\nFeatures: asimd sve\n",
            "arm 0x41 part 0xd4, SVE",
        ),
        ("Features: asimd\n", ""),
        ("no description", ""),
        ("", ""),
    ],
)
def test_what_linux_describes(cpuinfo, kind):
    assert described(cpuinfo) == kind


def test_a_machine_that_describes_nothing_has_a_name(machine, monkeypatch):
    monkeypatch.setattr(processor.platform, "system", lambda: "Windows")
    monkeypatch.setattr(processor.platform, "processor", lambda: "")
    monkeypatch.setattr(processor.platform, "machine", lambda: "AMD64")
    assert this_processor() == "AMD64"


def test_what_forbids_instructions_is_said(machine, monkeypatch):
    (machine / "cpuinfo").write_text(XEON)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    assert this_processor().endswith(", AVX-512, ONEDNN_MAX_CPU_ISA=SSE41")


@pytest.mark.parametrize(("hidden", "more"), [(None, " + NVIDIA H100"), ("-1", ""), ("", "")])
def test_gpus_are_named_where_they_are_not_hidden(machine, monkeypatch, hidden, more):
    (machine / "cpuinfo").write_text("model name: A\n")
    for name in ("0", "1"):
        folder = machine / "gpus" / name
        folder.mkdir(parents=True)
        (folder / "information").write_text("Model: \t\t NVIDIA H100\nIRQ: 7\n")
    if hidden is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert this_processor() == "A" + more
