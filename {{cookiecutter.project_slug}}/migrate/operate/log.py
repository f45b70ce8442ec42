"""Log lines with UTC times, in files that a full disk does not turn into a failure."""

import logging
import os
import sys
import time
from io import TextIOWrapper
from logging.config import fileConfig
from pathlib import Path

from alembic.config import Config
from alembic.util import CommandError

from database import ROOT


class UTC(logging.Formatter):
    """Times as `2025-01-06T09:00:00Z`."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%SZ"
    default_msec_format = ""


class File(logging.FileHandler):
    """Appends to a file, whose folder it makes. `MIGRATE_LOG` in the environment moves it.

    A file that it makes can be read by its owner alone: what a hook prints is in there.
    """

    def __init__(self, path: str | Path, *, fixed: bool = False) -> None:
        """Open the file.

        Args:
            path: relative to the project's folder.
            fixed: whether `MIGRATE_LOG` says nothing about it.

        Raises:
            CommandError: it cannot be written.
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
        """Say once that the log is incomplete, and let the work go on."""
        if not self._said:
            self._said = True
            print(f"warning: {self.baseFilename} is incomplete: {sys.exc_info()[1]}", file=sys.stderr)


def configure(config: Config, path: Path) -> None:
    """Log as the ini file says, and to one more file.

    Raises:
        CommandError: a file cannot be written.
    """
    assert config.config_file_name is not None
    fileConfig(config.config_file_name, disable_existing_loggers=False)
    handler = File(path, fixed=True)
    handler.setFormatter(UTC("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger().addHandler(handler)
