"""Make the default backend in build/demo, and migrate it with rows in it. `make demo` calls it.

What the programs print goes into build/demo.log; here stands what happens, in some twenty lines.
"""

import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

TEMPLATE = Path(__file__).resolve().parents[1]
DEMO = TEMPLATE / "build" / "demo"
LOG = TEMPLATE / "build" / "demo.log"
BACKEND = DEMO / "ocr_backend"
PYTHON = BACKEND / ".venv" / "bin" / "python"

console = Console(highlight=False, soft_wrap=True)


class FailedError(Exception):
    """A program failed. The message says which."""


def run(*command: str | Path, each: Callable[[str], None] | None = None) -> str:
    """Run a program in the backend's folder, or in the template's before there is one.

    Args:
        command: the program and its arguments.
        each: is given each line that it prints.

    Returns:
        What it printed.

    Raises:
        FailedError: its exit code is not 0.
    """
    words = [str(word) for word in command]
    lines = []
    with LOG.open("a", encoding="utf-8") as log:
        print(f"$ {' '.join(words)}", file=log, flush=True)
        process = subprocess.Popen(
            words,
            cwd=BACKEND if BACKEND.exists() else TEMPLATE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout
        for line in process.stdout:
            log.write(line)
            lines.append(line)
            if each:
                each(line)
    if process.wait():
        raise FailedError(f"{' '.join(words)} failed with exit code {process.returncode}")
    return "".join(lines)


def say(step: str, what: str) -> None:
    """Print a line of the story."""
    console.print(f"{step:<10} {what}")


@contextmanager
def bar(step: str, total: int) -> Iterator[Callable[[str], None]]:
    """Draw a bar on a terminal, and yield what moves it with each line that says `Running upgrade`."""
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[last]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(step, total=total, last="")

        def move(line: str) -> None:
            if found := re.search(r"Running upgrade .* -> \w+, (.*)$", line):
                progress.update(task, advance=1, last=found[1][:60])

        yield move


def main() -> int:
    """Make the demo.

    Returns:
        The exit code: 1 after the end of the log where a program failed.
    """
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text("")
    try:
        if PYTHON.exists():
            run(PYTHON, "-m", "migrate", "stop", "--remove")
        shutil.rmtree(DEMO, ignore_errors=True)
        story()
    except (FailedError, OSError) as error:
        console.print(f"\n{error}. The end of {LOG.relative_to(TEMPLATE)}:\n", style="red")
        with LOG.open(encoding="utf-8") as log:
            console.print("".join(deque(log, 20)), markup=False)
        return 1
    return 0


def story() -> None:
    """Take the steps, and say what each has done."""
    console.print(
        f"A backend with the default answers, from nothing to head. Log: {LOG.relative_to(TEMPLATE)}\n"
    )
    generate = (sys.executable, "-m", "cookiecutter", TEMPLATE, "--no-input", "--default-config")
    run(*generate, f"--output-dir={DEMO}")
    files = sum(path.is_file() for path in BACKEND.rglob("*"))
    say("generate", f"{files} files in {BACKEND.relative_to(TEMPLATE)}")
    with console.status("install    its libraries, into .venv"):
        run("make", "--no-print-directory", "install")
    say("install", "its libraries, into .venv")

    alembic = (PYTHON, "-m", "alembic")
    total = len(re.findall(r"^\S", run(*alembic, "history"), re.M))
    with console.status("server     an embedded PostgreSQL"):
        run(*alembic, "upgrade", "+1")
    say("server", "an embedded PostgreSQL, with its data in .postgres/")
    say("upgrade", f"to the first of {total} revisions")
    rows(run(PYTHON, "-m", "migrate", "sample"))
    with bar("upgrade", total - 1) as move:
        run(*alembic, "upgrade", "head", each=move)
    say("upgrade", f"{total - 1} more revisions, each with these rows in its tables")
    rows(run(PYTHON, "-m", "migrate", "sample"))

    url = run(PYTHON, "-m", "migrate", "url").strip()
    folder = BACKEND.relative_to(TEMPLATE)
    console.print(
        f"""
The backend is in  {BACKEND}
Its database is    {url}

Try:
    cd {folder} && . .venv/bin/activate
    alembic history                                    the chain, newest first
    alembic downgrade base && alembic upgrade head     all the way down and up
    python -m migrate psql -c 'TABLE roles'            what is in a table
    make test                                          what the chain promises

The server keeps running until: make -C {folder} db-stop""",
        markup=False,
    )


def rows(printed: str) -> None:
    """Say into which tables rows were put."""
    counts = re.findall(r"^(\S+) +([\d,]+) rows$", printed, re.M)
    total = sum(int(count.replace(",", "")) for _, count in counts)
    say("rows", f"{total:,}, in {', '.join(table for table, _ in counts)}")


if __name__ == "__main__":
    sys.exit(main())
