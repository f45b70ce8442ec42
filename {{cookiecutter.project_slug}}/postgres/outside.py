"""The embedded servers' data that lies outside of its project, and may be left without it."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

PREFIX = "embedded-postgres-"


@dataclass(frozen=True)
class Folder:
    """A folder outside of the project whose data it holds. A link in the project leads to it."""

    path: Path

    @classmethod
    def make(cls, place: Path, user: str | None) -> "Folder":
        """Make a new one in a place, that only a user can read (None: this one)."""
        folder = cls(Path(tempfile.mkdtemp(prefix=PREFIX, dir=place)))
        if user:
            shutil.chown(folder.path, user)
        return folder

    @property
    def link(self) -> Path | None:
        """The link, as it was when a server was last started; None where nothing tells."""
        try:
            return Path(os.fsdecode((self.path / "link").read_bytes()))
        except OSError:
            return None

    def claim(self, link: Path) -> None:
        """Write down which link leads here, once it does: what is claimed and not led to counts as left."""
        if link != self.link:
            (self.path / "link").write_bytes(os.fsencode(link))

    def is_of_another(self, link: Path) -> bool:
        """Whether a link is only a copy of the one that leads here, which comes of copying a project."""
        original = self.link
        if original is None or not self.is_used():
            return False
        return not os.path.samestat(original.lstat(), link.lstat())

    def is_used(self) -> bool:
        """Whether the project is there, and still leads here."""
        return self.link is not None and self.link.resolve().is_relative_to(self.path.resolve())

    def is_left(self) -> bool:
        """Whether its project is gone, or leads elsewhere by now."""
        return self.link is not None and not self.is_used()

    def size(self) -> int:
        """Return how many bytes are in it."""
        return sum(path.lstat().st_size for path in self.path.rglob("*"))
