"""Replace the old files by the new one: all of them, or none."""

import shutil
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from migrate.git import git
from migrate.squash.errors import SquashError

ASIDE = "versions_squashed"


def commit_of(paths: Sequence[Path]) -> str | None:
    """Return the commit from which git can restore the files; None if there is no git.

    Raises:
        SquashError: a file is not committed as it is now; or git fails.
    """
    for folder, members in groupby(sorted(paths), key=lambda path: path.parent):
        committed = _committed(folder)
        if committed is None:
            return None
        files = list(members)
        hashes = git(folder, "hash-object", "--stdin-paths", stdin="\n".join(map(str, files)))
        changed = [
            path.name
            for path, blob in zip(files, hashes.stdout.split(), strict=True)
            if committed.get(path.name) != blob
        ]
        if changed:
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            raise SquashError(
                f"{changed[0]}{more}: not committed as it is on disk, and would be lost: commit it first"
            )
    return git(folder, "rev-parse", "--short", "HEAD").stdout.strip()


def _committed(folder: Path) -> dict[str, str] | None:
    """Return the hashes of a folder's files, as committed; None if there is no git."""
    try:
        inside = git(folder, "rev-parse", "--is-inside-work-tree")
    except FileNotFoundError:
        return None
    if inside.returncode:
        if "not a git repository" in inside.stderr:
            return None
        raise SquashError(f"git: {inside.stderr.strip().splitlines()[0]}")
    # "100644 blob 3b18e5…\tname", with names relative to the folder
    entries = git(folder, "ls-tree", "-z", "HEAD").stdout.split("\0")
    return {name: about.split()[2] for about, _, name in (entry.partition("\t") for entry in entries) if name}


def swap(old: Sequence[Path], new: Path, text: str, *, keep: bool) -> Path | None:
    """Replace files by a new one. If anything fails, all files are as before.

    Args:
        old: the files to remove.
        new: the file to write.
        text: its text.
        keep: move the old files into a folder beside theirs, and do not delete them.

    Returns:
        The folder of the old files, if they are kept.

    Raises:
        SquashError: the new file would overwrite another one, or the folder exists already.
        OSError: a file cannot be written; nothing has changed.
    """
    aside = new.parent.with_name(ASIDE)
    if aside.exists():
        raise SquashError(f"{aside} exists: move it out of the way")
    if new.exists() and new not in old:
        raise SquashError(f"{new} exists, and is not one of the files to be squashed: rename it")
    aside.mkdir()
    moved: list[tuple[Path, Path]] = []
    try:
        for path in old:
            target = aside / path.name
            path.rename(target)
            moved.append((path, target))
        new.write_text(text, encoding="utf-8", newline="\n")
    except BaseException:
        new.unlink(missing_ok=True)
        for path, target in moved:
            target.rename(path)
        aside.rmdir()
        raise
    if keep:
        return aside
    shutil.rmtree(aside)
    return None
