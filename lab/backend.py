"""A backend with the worked chain, for an experiment: generated, and removed with its server.

    python -m lab.backend MODULE [ARGUMENT …]

runs a module of the lab on one. With DATABASE_URL it works on that server, in databases of its own.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn
from uuid import uuid4

TEMPLATE = Path(__file__).resolve().parents[1]

# What ends a program: Ctrl-C, a scheduler, a terminal that is closed.
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def generated() -> Iterator[Path]:
    """Yield the folder of a backend with the default answers. Its server, if it has one, goes with it."""
    folder = Path(tempfile.gettempdir()) / f"lab{uuid4().hex[:12]}"
    try:
        folder.mkdir(mode=0o700)
        generate = ["cookiecutter", str(TEMPLATE), "--no-input", "--default-config", f"--output-dir={folder}"]
        with held():  # in a session of its own, its hooks would go on writing after its end
            subprocess.run(
                [sys.executable, "-m", *generate],
                check=True,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        [backend] = folder.iterdir()
        yield backend
    finally:
        with handled(signal.SIG_IGN):  # a second Ctrl-C would leave the server running
            for backend in folder.glob("*/pyproject.toml"):
                stop = [sys.executable, "-m", "migrate", "stop", "--remove"]
                subprocess.run(stop, cwd=backend.parent, stdout=subprocess.DEVNULL, start_new_session=True)
            shutil.rmtree(folder, ignore_errors=True)


def run(backend: Path, module: str, arguments: Sequence[str]) -> int:
    """Run a module of the lab where it can import the backend, and return its exit code."""
    path = os.pathsep.join([str(backend), str(TEMPLATE)])
    command = [sys.executable, "-P", "-m", module, *arguments]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}) as process:

        def forward(number: int, _frame: FrameType | None) -> None:
            if number != signal.SIGINT:  # which the terminal sends to both
                process.send_signal(number)

        with handled(forward):
            return process.wait()


@contextmanager
def handled(handler: Callable[[int, FrameType | None], Any] | signal.Handlers) -> Iterator[None]:
    """Have a block's signals handled so."""
    earlier = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, before in earlier.items():
            signal.signal(number, before)


@contextmanager
def held() -> Iterator[None]:
    """Have the first of a block's signals come at its end."""
    came: list[int] = []
    try:
        with handled(lambda number, _frame: came.append(number)):
            yield
    finally:  # a Ctrl-C may have ended a program that was not yet in its own session
        for number in came[:1]:
            signal.raise_signal(number)


def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """Come to an end, for the first of the signals. What cleans up after it hears no other."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        with handled(interrupt), generated() as folder:
            code = run(folder, sys.argv[1], sys.argv[2:])
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    sys.exit(code)
