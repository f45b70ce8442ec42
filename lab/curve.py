"""How long the right way takes, by the number of rows: one picture.

    .venv/bin/python -m lab.curve lab/results

reads the results that `make lab` has written there, one for each number of rows, draws curve.svg beside
them, and prints the figures. It needs no server and no backend.
"""

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.figures import STYLE, figure, results

# Of each kind of change that a table's size might matter to, one.
KINDS = {
    "backfill_document_search": "backfill",
    "validate_document_new_file_size": "VALIDATE CONSTRAINT",
    "index_document_tags": "CREATE INDEX CONCURRENTLY",
    "add_document_priority": "catalogue change",
}
COLOURS = ("#cf222e", "#8250df", "#0969da", "#1a7f37")
LEFT, TOP, WIDTH, HEIGHT = 70, 50, 480, 300

Curve = dict[int, float]  # seconds, by the number of documents


def curves(measured: Sequence[Mapping[str, Any]]) -> dict[str, Curve]:
    """Return the seconds of the right way, by scenario."""
    found: dict[str, Curve] = {slug: {} for slug in KINDS}
    for result in measured:
        for scenario in result["scenarios"]:
            if scenario["slug"] in found:
                found[scenario["slug"]][result["rows"]] = figure(scenario, "right", "seconds").middle
    return {slug: curve for slug, curve in found.items() if curve}


def picture(found: Mapping[str, Curve], server: str) -> str:
    """Return the curves as an SVG with logarithmic axes, which has light and dark colours."""
    rows = sorted({count for curve in found.values() for count in curve})
    seconds = [value for curve in found.values() for value in curve.values()]
    low, high = (f(math.log10(x)) for f, x in ((math.floor, min(seconds)), (math.ceil, max(seconds))))
    first, last = math.log10(rows[0]), math.log10(rows[-1])

    def place(count: int, value: float) -> tuple[float, float]:
        across = (math.log10(count) - first) / ((last - first) or 1)
        up = (math.log10(value) - low) / ((high - low) or 1)
        return LEFT + WIDTH * across, TOP + HEIGHT * (1 - up)

    title = f"Seconds of a migration under traffic, by the number of rows; PostgreSQL {server}"
    size = f"{LEFT + WIDTH + 260} {TOP + HEIGHT + 40}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img">',
        f"<title>{title}</title>",
        f"<style>{STYLE} polyline {{ fill: none; stroke-width: 2 }}</style>",
        f'<text x="8" y="20">{title}</text>',
    ]
    for decade in range(low, high + 1):
        _, y = place(rows[0], 10.0**decade)
        label = f"{10**decade:,} s" if decade >= 0 else f"{10 ** (3 + decade):,} ms"
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.0f}" y2="{y:.0f}"/>')
        parts.append(f'<text class="small" x="{LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{label}</text>')
    for count in rows:
        x, _ = place(count, 1)
        parts.append(f'<line x1="{x:.0f}" x2="{x:.0f}" y1="{TOP}" y2="{TOP + HEIGHT}"/>')
        parts.append(
            f'<text class="small" x="{x:.0f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{count:,}</text>'
        )
    for (slug, curve), colour in zip(found.items(), COLOURS, strict=False):
        points = [place(*point) for point in curve.items()]
        drawn = " ".join(f"{x:.0f},{y:.0f}" for x, y in points)
        parts.append(f'<polyline points="{drawn}" style="stroke: {colour}"><title>{slug}</title></polyline>')
        x, y = points[-1]
        value = curve[max(curve)]
        said = f"{KINDS[slug]}, {value:,.0f} s" if value >= 10 else f"{KINDS[slug]}, {value:.1f} s"
        parts.append(f'<text x="{x + 8:.0f}" y="{y + 4:.0f}" style="fill: {colour}">{said}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def table(found: Mapping[str, Curve]) -> str:
    """Return the curves as a table of Markdown."""
    rows = sorted({count for curve in found.values() for count in curve})
    lines = [f"| | {' | '.join(f'{count:,}' for count in rows)} |", f"| --- {'| --: ' * len(rows)}|"]
    for slug, curve in found.items():
        cells = [f"{curve[count]:,.2f} s" if count in curve else "" for count in rows]
        lines.append(f"| {KINDS[slug]} ({slug}) | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Draw the picture.

    Returns:
        The exit code: 2 where the folder has no results.
    """
    parser = argparse.ArgumentParser(prog="lab.curve", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="with the results")
    folder: Path = parser.parse_args().folder
    try:
        measured = results(folder)
        found = curves(measured)
        drawn, written = picture(found, measured[0]["server"]), table(found)
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        print(f"error: {folder} has no results of make lab: {error!r}", file=sys.stderr)
        return 2
    (folder / "curve.svg").write_text(drawn, encoding="utf-8")
    print(written, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
