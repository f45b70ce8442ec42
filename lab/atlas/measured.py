"""What the lab has measured of a naive way and of the right one, as a page tells it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.figures import conditions, failed, figure, ratio, results

# As many clients that waited are drawn, the longest.
DRAWN = 20
TABLE = 10  # scenarios on the first page


@dataclass(frozen=True)
class Compared:
    """One figure of both ways, and whether the naive way's is the worse one."""

    name: str
    naive: str
    right: str
    worse: bool


@dataclass(frozen=True)
class Drawn:
    """The clients that waited, of the run with the longest stall.

    Attributes:
        naive: an SVG path with a line for each that waited beside the naive way, 100 units wide.
        right: the same of the right way.
        seconds: how long these 100 units are.
    """

    naive: str
    right: str
    seconds: float


@dataclass(frozen=True)
class Measured:
    """A twin under traffic.

    Attributes:
        slug: the revision's.
        twin: the name of the file in lab/naive, without its ending.
        conditions: on what it was measured.
        figures: the longest stall first.
        ratio: how many times the right way's stall the naive way's is.
        waits: a picture of it.
    """

    slug: str
    twin: str
    conditions: str
    figures: list[Compared]
    ratio: float
    waits: Drawn


def measured(folder: Path) -> list[Measured]:
    """Return what the lab has measured, of each twin with the most rows; what stalls longest first."""
    found: dict[str, tuple[float, Measured]] = {}
    for result in results(folder):
        for scenario in result["scenarios"]:
            stall = figure(scenario, "naive", "stall").middle
            found[scenario["twin"]] = stall, told(scenario, conditions(result))
    return [one for _, one in sorted(found.values(), key=lambda item: (-item[0], item[1].twin))]


def told(scenario: Mapping[str, Any], said: str) -> Measured:
    """Return one twin of a result."""
    stalls = [f"{figure(scenario, way, 'stall')} ms" for way in ("naive", "right")]
    errors = [failed(scenario, way) for way in ("naive", "right")]
    lasts = [f"{figure(scenario, way, 'seconds')} s" for way in ("naive", "right")]
    return Measured(
        scenario["slug"],
        scenario["twin"],
        said,
        [
            Compared("longest stall of a client", stalls[0], stalls[1], ratio(scenario, "stall") > 1),
            Compared("failed statements", errors[0], errors[1], errors[0] != "0"),
            Compared("takes", lasts[0], lasts[1], worse=False),
        ],
        ratio(scenario, "stall"),
        drawn(scenario["naive"], scenario["right"]),
    )


def drawn(naive: Sequence[Mapping[str, Any]], right: Sequence[Mapping[str, Any]]) -> Drawn:
    """Return who waited when, on one scale."""
    both = [max(runs, key=lambda run: run["stall"])["waits"] for runs in (naive, right)]
    seconds = max([began + lasted for waits in both for began, lasted, _ in waits], default=0.0)
    return Drawn(path(both[0], seconds), path(both[1], seconds), seconds)


def path(waits: Sequence[Sequence[Any]], seconds: float) -> str:
    """Return the longest waits as lines beneath each other, in the order in which they began."""
    longest = sorted(waits, key=lambda wait: -wait[1])[:DRAWN]
    scale = 100 / seconds if seconds else 0
    lines = [
        f"M{began * scale:.1f} {row}h{max(lasted * scale, 0.3):.1f}"
        for row, (began, lasted, _) in enumerate(sorted(longest, key=lambda wait: wait[0]))
    ]
    return "".join(lines)
