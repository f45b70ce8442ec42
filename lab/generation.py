"""How long a generation takes, against one from an empty template: `python -m lab.generation`.

Both are whole runs of `cookiecutter TEMPLATE --no-input`, each the fastest of some, in turn,
so that what else the machine does weighs on both. A busy disk weighs on what writes 200 files,
though: the time of the processor, beside it, does not know of it. Exits with 1 above the limit.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parents[1]
LIMIT = 1.5
EMPTY = '{"project_slug": "empty"}'
CHOICES = {
    "largest": ("history=worked", "ci=github", "containers=yes"),
    "smallest": (
        "history=baseline",
        "ci=none",
        "containers=no",
        "license=proprietary",
        "python_version=3.14",
    ),
}


def seconds(template: Path, folder: Path, *answers: str) -> tuple[float, float]:
    """Return how long one generation into the folder takes, by the clock and of the processor."""
    # Bytecode is kept between runs, as usual, and Cookiecutter keeps its last answers: both here.
    environment = {**os.environ, "HOME": str(folder), "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(dir=folder) as out:
        begun, before = time.perf_counter(), os.times()
        subprocess.run(
            [
                sys.executable, "-m", "cookiecutter", str(template), "--no-input", "--default-config",
                "--output-dir", out, *answers,
            ],
            env=environment,
            stdout=subprocess.DEVNULL,
            check=True,
        )  # fmt: skip
        took, after = time.perf_counter() - begun, os.times()
        busy = sum(after[2:4]) - sum(before[2:4])  # of child processes, user and system
        return took, busy


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="of each (default: %(default)s)")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        empty = folder / "empty"
        (empty / "{{cookiecutter.project_slug}}").mkdir(parents=True)
        (empty / "cookiecutter.json").write_text(EMPTY)
        templates: dict[str, tuple[Path, tuple[str, ...]]] = {
            "empty": (empty, ()),
            **{size: (TEMPLATE, answers) for size, answers in CHOICES.items()},
        }
        taken: dict[str, list[tuple[float, float]]] = {size: [] for size in templates}
        for _ in range(runs):
            for size, (template, answers) in templates.items():
                taken[size].append(seconds(template, folder, *answers))
    fastest = {size: [min(times) for times in zip(*taken[size], strict=True)] for size in taken}
    print("template          clock          processor")
    for size, best in fastest.items():
        print(
            f"{size:<10}", *(f"{s:6.3f} s {s / e:5.2f}x" for s, e in zip(best, fastest["empty"], strict=True))
        )
    return int(max(clock for clock, _ in fastest.values()) > LIMIT * fastest["empty"][0])


if __name__ == "__main__":
    sys.exit(main())
