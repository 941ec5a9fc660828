"""Make `.venv` and install what `requirements.lock` pins into it.

Needs Python 3.11 to 3.13 with pip and nothing else. pip fetches uv, uv installs the rest in a
fraction of pip's time and compiles it to bytecode (TensorFlow imports in 12 s without, in 3.5 s
with). pip's settings (index, certificates, links) are handed on to uv, which does not read them.
"""

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
LOCK = ROOT / "requirements.lock"
OLDEST, NEWEST = (3, 11), (3, 13)

# pip's setting -> the variable in which uv takes the same, and what separates several values.
UV_VARIABLES = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "proxy": ("ALL_PROXY", " "),
    "no-index": ("UV_NO_INDEX", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
    "default-timeout": ("UV_HTTP_TIMEOUT", " "),
}


def uv_variables(pip_config: str) -> dict[str, str]:
    r"""Return the environment variables that give uv the settings that pip has.

    Args:
        pip_config: what `pip config list` prints, a line such as `global.cert='/a/b.crt'` each.

    Returns:
        Names and values; of settings made twice the one that pip prefers (`:env:` is read last).

    >>> uv_variables("global.no-index='true'\nglobal.find-links='/a /b'")
    {'UV_NO_INDEX': 'true', 'UV_FIND_LINKS': '/a,/b'}
    """
    lines = re.findall(r"^(\S+)\.([\w-]+)=(['\"])(.*)\3$", pip_config, flags=re.MULTILINE)
    rank = {"global": 0, "install": 1, ":env:": 2}
    variables = {}
    for section, setting, _, value in sorted(lines, key=lambda line: rank.get(line[0], -1)):
        if setting in UV_VARIABLES and section in rank:
            name, separator = UV_VARIABLES[setting]
            variables[name] = separator.join(value.replace("\\n", " ").split())
    if "UV_INDEX" in variables:  # pip takes the best match of all indexes, uv that of the first
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return variables


def pinned(name: str, lock: str) -> str:
    r"""Return the requirement `name==version` of a lock file's text.

    >>> pinned("uv", "uvloop==1.0\nuv==0.13.9\n    # via dnnbook")
    'uv==0.13.9'
    """
    found = re.search(rf"^{re.escape(name)}==\S+", lock, flags=re.MULTILINE)
    if found is None:
        raise ValueError(f"`requirements.lock` must pin {name}. Received: no such line")
    return found.group()


def make_environment(folder: Path) -> Path:
    """Make the virtual environment in `folder` unless it is there, and return its Python."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    check = [python, "-m", "pip", "--version"]
    if not python.exists() or subprocess.run(check, capture_output=True, check=False).returncode:
        print(f"making {folder.name} with Python {sys.version.split()[0]}", flush=True)
        venv.create(folder, with_pip=True, clear=True, symlinks=os.name != "nt")
    return python


def install(python: Path) -> None:
    """Install the lock file, and the project itself as an editable package, for `python`."""
    pip = [python, "-m", "pip"]
    subprocess.run([*pip, "install", "--quiet", pinned("uv", LOCK.read_text())], check=True)
    settings = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=True)
    # What the user sets for uv counts more than what pip has.
    environment = uv_variables(settings.stdout) | dict(os.environ)
    print(f"installing {LOCK.name} (2 GB) and compiling it to bytecode", flush=True)
    uv = [python, "-m", "uv", "pip", "--quiet"]
    locked = ["sync", "--python", python, "--compile-bytecode", LOCK]
    subprocess.run([*uv, *locked], env=environment, check=True)
    project = ["--no-deps", "--no-build-isolation", "--editable", ROOT]
    subprocess.run([*uv, "install", "--python", python, *project], env=environment, check=True)


def main() -> int:
    """Set everything up; return the exit code."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        received = ".".join(map(str, sys.version_info[:2]))
        print(
            f"Python must be of version 3.11 to 3.13. Received: {received} ({sys.executable})\n"
            "Name another one, for example: make PYTHON=python3.11",
            file=sys.stderr,
        )
        return 2
    try:
        install(make_environment(ROOT / ".venv"))
    except subprocess.CalledProcessError as error:
        command = " ".join(map(str, error.cmd))
        print(f"The set-up failed ({error.returncode}) at: {command}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
