"""Write the atlas of the chain into build/atlas/site. `make atlas` calls it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.atlas.measured import measured
from lab.atlas.scenarios import AtlasError
from lab.atlas.site import write
from lab.backend import TEMPLATE, generated
from lab.twins import twins

SITE = TEMPLATE / "build" / "atlas" / "site"
README = TEMPLATE / "{{cookiecutter.project_slug}}" / "alembic" / "versions" / "README.md"


def collect() -> dict[str, Any]:
    """Generate a backend, and return what its chain says and does.

    Raises:
        AtlasError: the chain cannot be run.
    """
    with generated() as backend:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "lab.atlas.facts"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(backend), str(TEMPLATE)])},
            stdout=subprocess.PIPE,
        )
    if done.returncode:
        raise AtlasError("the chain cannot be looked at: see above")
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def make(site: Path, facts: Mapping[str, Any]) -> None:
    """Write the atlas into a folder; what is there is removed.

    Raises:
        AtlasError: scenarios.toml does not fit the chain.
    """
    shutil.rmtree(site, ignore_errors=True)
    write(site, facts, twins(), measured(TEMPLATE / "lab" / "results"), README.read_text(encoding="utf-8"))


def main() -> int:
    """Make the atlas, and say where it is and how large."""
    site = SITE
    try:
        make(site, collect())
    except (AtlasError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    sizes = [path.stat().st_size for path in site.rglob("*") if path.is_file()]
    pages = {path.name: path.stat().st_size for path in site.glob("*.html")}
    largest = max(pages, key=lambda name: pages[name])
    print(f"{site / 'index.html'}")
    print(
        f"{len(pages)} pages, {sum(sizes) / 1e6:.2f} MB in {len(sizes)} files; "
        f"the largest page is {largest}, {pages[largest] / 1e3:.0f} kB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
