"""Text that commands write into Markdown files: between two markers, with links to revisions."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from alembic.util import CommandError

from migrate.chain import Revision


class NoPlaceError(CommandError):
    """A file has no place for the text. The message says which file and what to add."""


@dataclass(frozen=True)
class Place:
    """The part of a file that a command writes.

    Attributes:
        name: what is written there.
        start: the line before it.
        end: the line after it.
    """

    name: str
    start: str
    end: str

    def is_in(self, text: str) -> bool:
        """Whether a text has this place."""
        return self.start in text

    def fill(self, text: str, lines: Iterable[str], path: Path) -> str:
        """Return a file's text with these lines in this place.

        Raises:
            NoPlaceError: the text has no such place, or more than one.
        """
        try:
            head, rest = text.split(self.start)
            _, tail = rest.split(self.end)
        except ValueError:
            raise NoPlaceError(
                f"{path} has no place for the {self.name}: put the lines {self.start} and {self.end} into it"
            ) from None
        return head + "\n".join([self.start, *lines, "", self.end]) + tail


def row(cells: Iterable[str]) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def link(revision: Revision, folder: Path) -> str:
    """Return a link to a revision from a file in `folder`."""
    path = os.path.relpath(revision.path, folder.resolve()).replace(os.sep, "/")
    return f"[{revision.slug}]({quote(path)})"
