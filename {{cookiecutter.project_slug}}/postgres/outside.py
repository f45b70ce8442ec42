"""Data of embedded servers outside of their projects, which may be left after its project."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

PREFIX = "embedded-postgres-"


@dataclass(frozen=True)
class Folder:
    """A folder outside of a project, with the project's data. A link in the project leads to it."""

    path: Path

    @classmethod
    def make(cls, place: Path, user: str | None) -> "Folder":
        """Make a new folder in a place. Only one user can read it (None: the user of this process)."""
        folder = cls(Path(tempfile.mkdtemp(prefix=PREFIX, dir=place)))
        if user:
            shutil.chown(folder.path, user)
        return folder

    @property
    def link(self) -> Path | None:
        """The link, as it was at the last start of a server; None if it is not known."""
        try:
            return Path(os.fsdecode((self.path / "link").read_bytes()))
        except OSError:
            return None

    def claim(self, link: Path) -> None:
        """Record the link that leads here. Call it after the link exists: else the folder counts as left."""
        if link != self.link:
            (self.path / "link").write_bytes(os.fsencode(link))

    def is_of_another(self, link: Path) -> bool:
        """Whether a link is a copy of the one that leads here: the project was copied."""
        original = self.link
        if original is None or not self.is_used():
            return False
        return not os.path.samestat(original.lstat(), link.lstat())

    def is_used(self) -> bool:
        """Whether the project exists, and its link still leads here."""
        return self.link is not None and self.link.resolve().is_relative_to(self.path.resolve())

    def is_left(self) -> bool:
        """Whether its project is gone, or the project's link leads elsewhere now."""
        return self.link is not None and not self.is_used()

    def size(self) -> int:
        """Return its size in bytes."""
        return sum(path.lstat().st_size for path in self.path.rglob("*"))
