"""Log lines with UTC times, in files. A full disk does not make the run fail."""

import logging
import os
import sys
import time
from io import TextIOWrapper
from pathlib import Path

from alembic.config import Config
from alembic.util import CommandError

from database import ROOT
from migrate.ini import set_up_logging


class UTC(logging.Formatter):
    """A formatter with times such as `2025-01-06T09:00:00Z`."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%SZ"
    default_msec_format = ""


class File(logging.FileHandler):
    """A handler that appends to a file. It makes the folder. `MIGRATE_LOG` names another file.

    Only the owner can read a file that it makes: the output of hooks is in it.
    """

    def __init__(self, path: str | Path, *, fixed: bool = False) -> None:
        """Open the file.

        Args:
            path: relative to the project's folder.
            fixed: whether to ignore `MIGRATE_LOG`.

        Raises:
            CommandError: the file cannot be written.
        """
        name = ROOT / (path if fixed else os.environ.get("MIGRATE_LOG") or path)
        try:
            name.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            super().__init__(name, encoding="utf-8")
        except OSError as error:
            advice = (
                ": choose another --backup-dir"
                if fixed
                else ": set MIGRATE_LOG to a file that can be (/dev/null for none)"
            )
            raise CommandError(f"the log {name} cannot be written ({error.strerror}){advice}") from error
        self._said = False

    def _open(self) -> TextIOWrapper:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        return open(self.baseFilename, "a", encoding="utf-8", opener=private)

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Print once that the log is incomplete, and go on."""
        if not self._said:
            self._said = True
            print(f"warning: {self.baseFilename} is incomplete: {sys.exc_info()[1]}", file=sys.stderr)


def configure(config: Config, path: Path) -> None:
    """Log as the ini file says, and also to a file.

    Raises:
        CommandError: a file cannot be written, or the ini file does not say how to log.
    """
    set_up_logging(config)
    handler = File(path, fixed=True)
    handler.setFormatter(UTC("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger().addHandler(handler)
