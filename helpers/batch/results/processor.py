"""On which kind of processor a run is made: sums are rounded otherwise on another one."""

import os
import platform
import re
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
GPUS = Path("/proc/driver/nvidia/gpus")
# The instructions that decide how the libraries of linear algebra sum, widest first.
WIDEST = {"avx512f": "AVX-512", "avx2": "AVX2", "avx": "AVX", "sve": "SVE", "asimd": "NEON"}
NARROWED_BY = ("ONEDNN_MAX_CPU_ISA", "TF_ENABLE_ONEDNN_OPTS")  # variables that forbid some of them


@cache
def this_processor() -> str:
    """Return the kind of this machine's processor, and of its GPUs that are not hidden.

    It is the model's name with its widest vector instructions, as far as they are known, or else
    the architecture, such as "arm64".
    """
    text = CPUINFO.read_text(errors="replace") if CPUINFO.is_file() else ""
    kind = described(text) or _named() or platform.machine() or "unknown"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    narrowed = [f"{name}={os.environ[name]}" for name in NARROWED_BY if name in os.environ]
    return " + ".join([", ".join([kind, *narrowed]), *([] if hidden else _gpus())])


def described(cpuinfo: str) -> str:
    r"""Return the kind of processor that Linux describes; nothing if it names none.

    >>> described("model name: AMD EPYC\nflags: fpu sse2 avx avx2")
    'AMD EPYC, AVX2'
    >>> described("CPU implementer: 0x41\nCPU part: 0xd0c\nFeatures: fp asimd")
    'arm 0x41 part 0xd0c, NEON'
    """
    pairs = (line.partition(":") for line in cpuinfo.splitlines())
    found = {name.strip(): " ".join(value.split()) for name, _, value in reversed(list(pairs))}
    name = found.get("model name", "")
    if not name and "CPU part" in found:
        name = f"arm {found.get('CPU implementer', '')} part {found['CPU part']}"
    flags = set((found.get("flags") or found.get("Features") or "").split())
    widest = next((WIDEST[flag] for flag in WIDEST if flag in flags), "")
    return ", ".join(filter(None, [name, widest])) if name else ""


def _named() -> str:
    """Return what macOS calls its processor, or what Python knows."""
    with suppress(OSError, subprocess.SubprocessError):
        if platform.system() == "Darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
            return done.stdout.strip()
    return platform.processor()


def _gpus() -> list[str]:
    """Return the kinds of NVIDIA's GPUs, each once."""
    texts = (file.read_text(errors="replace") for file in sorted(GPUS.glob("*/information")))
    models = (re.search(r"^Model:\s*(.+?)\s*$", text, re.MULTILINE) for text in texts)
    return list(dict.fromkeys(model[1] for model in models if model))
