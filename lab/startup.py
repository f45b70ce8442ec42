"""How long `alembic upgrade head` takes that has nothing to do, against Alembic as `alembic init` has it.

    python -m lab.backend lab.startup [--runs N]

Both have the same revisions, the same models and the same database, at head. Each is the fastest of some
runs, in turn, so that what else the machine does weighs on both; the time of the processor is beside it.
Exits with 1 above the limit.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from alembic import command
from alembic.config import Config

from database import ROOT
from lab.copies import Copies
from migrate.target import scratch_server

LIMIT = 1.15


def plain(folder: Path, url: str) -> Path:
    """Make a project of `alembic init` with the backend's revisions and models, and return its ini file."""
    ini = folder / "alembic.ini"
    command.init(Config(ini, stdout=(folder / "init.log").open("w")), str(folder / "plain"))
    versions = ROOT / "alembic" / "versions"
    settings = f"sqlalchemy.url = {url.replace('%', '%%')}\nversion_locations = {versions}"
    ini.write_text(re.sub(r"^sqlalchemy\.url = .*$", lambda _: settings, ini.read_text(), flags=re.M))
    env = folder / "plain" / "env.py"
    models = "import models\nfrom database import Base\ntarget_metadata = Base.metadata"
    env.write_text(env.read_text().replace("target_metadata = None", models))
    return ini


def seconds(ini: Path, environment: Mapping[str, str]) -> tuple[float, float]:
    """Return how long one run takes, by the clock and of the processor."""
    begun, before = time.perf_counter(), os.times()
    subprocess.run(
        [sys.executable, "-m", "alembic", "-c", str(ini), "upgrade", "head"],
        cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    took, after = time.perf_counter() - begun, os.times()
    return took, sum(after[2:4]) - sum(before[2:4])  # of child processes, user and system


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.backend lab.startup", description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="of each (default: %(default)s)")
    runs = parser.parse_args().runs
    copies = Copies(scratch_server())
    try:
        with tempfile.TemporaryDirectory() as name:
            url = copies.make().render_as_string(hide_password=False)
            # Bytecode is kept between runs, as usual.
            environment = {
                **os.environ, "DATABASE_URL": url, "MIGRATION_DATABASE_URL": "",
                "PYTHONPYCACHEPREFIX": str(Path(name, "bytecode")),
            }  # fmt: skip
            environment.pop("PYTHONDONTWRITEBYTECODE", None)
            ways = {"plain": plain(Path(name), url), "backend": ROOT / "alembic.ini"}
            seconds(ways["backend"], environment)  # which has all to do
            taken: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
            for _ in range(runs):
                for way, ini in ways.items():
                    taken[way].append(seconds(ini, environment))
    finally:
        copies.close()
    fastest = {way: [min(times) for times in zip(*taken[way], strict=True)] for way in taken}
    print("upgrade head, at head     clock          processor")
    for way, best in fastest.items():
        ratios = zip(best, fastest["plain"], strict=True)
        print(f"{way:<22}", *(f"{took:6.3f} s {took / other:5.2f}x" for took, other in ratios))
    return int(fastest["backend"][0] > LIMIT * fastest["plain"][0])


if __name__ == "__main__":
    sys.exit(main())
