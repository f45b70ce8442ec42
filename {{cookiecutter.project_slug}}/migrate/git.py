"""Run git on the project."""

import subprocess
from pathlib import Path


def git(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run git in a folder, and return how it ended and what it printed.

    Raises:
        FileNotFoundError: there is no git on PATH.
    """
    return subprocess.run(
        ["git", "-c", "core.quotePath=off", *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        encoding="utf-8",
    )
