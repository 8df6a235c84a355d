"""The tests in environments of other versions, each made once in .venv-<name>.

python tests/environments.py --list                 which supported Pythons this machine has
python tests/environments.py                        all tests on each of them
python tests/environments.py tests/test_golden.py   some tests; what pytest understands
python tests/environments.py --with torch==2.14.1   another version in place of the pinned one
python tests/environments.py --with hydra-core==1.4.0rc3 --with omegaconf==2.4.1rc1 --python 3.11
"""

import argparse
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def supported() -> list[str]:
    """The versions that pyproject.toml names, such as 3.11."""
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    prefix = "Programming Language :: Python :: "
    names = [line.removeprefix(prefix) for line in classifiers if line.startswith(prefix)]
    return [name for name in names if "." in name]


def interpreters() -> dict[str, Path]:
    """Version -> an interpreter: this one, one in PATH, or one that pyenv or uv has installed."""
    home, found = Path.home(), {}
    places = [home / ".pyenv" / "versions", home / ".local" / "share" / "uv" / "python"]
    for version in supported():
        candidates = [Path(path) for path in [shutil.which(f"python{version}")] if path]
        for place in places:
            candidates += sorted(place.glob(f"*{version}.*/bin/python{version}"))
        if version == f"{sys.version_info.major}.{sys.version_info.minor}":
            candidates.insert(0, Path(sys.executable))
        works = (path for path in candidates if _version(path) == version)
        if path := next(works, None):
            found[version] = path
    return found


def _version(python: Path) -> str | None:
    script = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    answer = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def environment(version: str, python: Path, others: list[str]) -> Path:
    """The interpreter of an environment with the pinned packages, and others in their place."""
    folder = ROOT / "-".join([".venv", version, *(re.sub(r"\W+", "-", word) for word in others)])
    inside = folder / "bin" / "python"
    if not folder.exists():
        subprocess.run([python, "-m", "venv", folder], check=True)
    pip = [inside, "-m", "pip", "install", "-q"]
    subprocess.run([*pip, "-e", ".[test]", "-c", "constraints.txt"], cwd=ROOT, check=True)
    if others:  # pip warns if a pin of pyproject.toml forbids them, and installs them.
        subprocess.run([*pip, *others], cwd=ROOT, check=True)
    return inside


def main() -> int:
    """The worst exit status of pytest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--python", help="one version alone")
    parser.add_argument("--with", dest="others", action="append", default=[], metavar="PACKAGE")
    options, pytest_words = parser.parse_known_args()
    found = interpreters()
    for version in supported():
        print(f"Python {version}: {found.get(version, 'not on this machine')}", flush=True)
    if options.list:
        return 0
    statuses = {}
    for version, python in found.items():
        if options.python in (None, version):
            inside = environment(version, python, options.others)
            done = subprocess.run([inside, "-m", "pytest", *pytest_words], cwd=ROOT, check=False)
            statuses[version] = done.returncode
    for version, status in statuses.items():
        print(f"Python {version}: {'passed' if status == 0 else f'pytest exited with {status}'}")
    return max(statuses.values(), default=1)


if __name__ == "__main__":
    sys.exit(main())
