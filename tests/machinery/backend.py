"""The backend that these tests run on: generated once for a run, with a schema of its own.

The workers of one run share it, and the server that it starts. The last one to end removes both.
Importing this module makes it, and puts it where `import migrate` finds it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from fasteners import InterProcessLock, InterProcessReaderWriterLock

from tests.conftest import TEMPLATE, generate

SCHEMA = Path(__file__).with_name("schema")
RUNS = TEMPLATE / "build" / "machinery"
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))[:12]
# One process at a time makes or removes a backend.
ALONE = InterProcessLock(RUNS / "lock")
# Who uses the backend of a run holds its lock with the others, who removes it alone.
IN_USE = InterProcessReaderWriterLock(RUNS / f"{RUN}.lock")


def make_backend(folder: Path) -> Path:
    """Generate a backend without a table, and give it the schema of these tests."""
    project = generate(folder, project_name="Workshop", history="empty").project.folder
    shutil.rmtree(project / "tests")
    shutil.copytree(SCHEMA / "models", project / "models", dirs_exist_ok=True)
    shutil.copytree(SCHEMA / "versions", project / "alembic/versions", dirs_exist_ok=True)
    roles = project / "docs/roles.sql"
    roles.write_text(roles.read_text().replace("append_only ''", "append_only visits"))
    return project


def use() -> Path:
    """Return the folder of this run's backend; the first worker makes it."""
    RUNS.mkdir(parents=True, exist_ok=True)
    folder = RUNS / RUN
    with ALONE:
        for left in RUNS.glob("*.lock"):  # by runs that were killed
            if left.stem != RUN:
                _remove(left.with_suffix(""))
        if not folder.exists():
            made = folder / "generated"
            made.mkdir(parents=True)
            make_backend(made)
        IN_USE.acquire_read_lock()
    [project] = folder.glob("generated/*")
    return project


def leave(clean_up: Callable[[], None]) -> None:
    """Clean up and remove the backend with its server, unless another worker still uses it."""
    with ALONE:
        IN_USE.release_read_lock()
        _remove(RUNS / RUN, clean_up)


def _remove(folder: Path, clean_up: Callable[[], None] = lambda: None) -> None:
    lock = InterProcessReaderWriterLock(folder.with_suffix(".lock"))
    if not lock.acquire_write_lock(blocking=False):
        return
    clean_up()
    for project in folder.glob("generated/*"):
        with suppress(subprocess.CalledProcessError):
            subprocess.run(
                [sys.executable, "-m", "migrate", "stop", "--remove"],
                cwd=project, check=True, capture_output=True,
            )  # fmt: skip
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_suffix(".lock").unlink()
    lock.release_write_lock()


BACKEND = use()
sys.path.insert(0, str(BACKEND))
# What Base.metadata holds does not depend on which tests a worker has run.
import_module("models")
