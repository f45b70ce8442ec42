"""A backend with the worked chain, for an experiment: generated, and removed with its server.

    python -m lab.backend MODULE [ARGUMENT …]

runs a module of the lab on one. With DATABASE_URL it works on that server, in databases of its own.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parents[1]


@contextmanager
def generated() -> Iterator[Path]:
    """Yield the folder of a backend with the default answers. Its server, if it has one, goes with it."""
    with tempfile.TemporaryDirectory(prefix="lab") as folder:
        generate = ["cookiecutter", str(TEMPLATE), "--no-input", "--default-config", f"--output-dir={folder}"]
        subprocess.run([sys.executable, "-m", *generate], check=True, stdout=subprocess.DEVNULL)
        [backend] = Path(folder).iterdir()
        try:
            yield backend
        finally:
            stop = ["migrate", "stop", "--remove"]
            subprocess.run([sys.executable, "-m", *stop], cwd=backend, stdout=subprocess.DEVNULL)


def run(backend: Path, module: str, arguments: Sequence[str]) -> int:
    """Run a module of the lab where it can import the backend, and return its exit code."""
    path = os.pathsep.join([str(backend), str(TEMPLATE)])
    return subprocess.run(
        [sys.executable, "-P", "-m", module, *arguments], env={**os.environ, "PYTHONPATH": path}
    ).returncode


if __name__ == "__main__":
    with generated() as folder:
        code = run(folder, sys.argv[1], sys.argv[2:])
    sys.exit(code)
