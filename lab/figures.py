"""What a result of the lab says: medians with their spread, the table and the chart.

    .venv/bin/python -m lab.figures lab/results/100000.json --readme

writes the chart beside it, and the table, which it prints too; and a short table into README.md. It needs
no server and no backend.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

from lab.readme import README, filled

WAYS = ("idle", "naive", "right")

# Two figures differ by chance where they differ by less, and a spread below it is none.
NOISE = 20

# What the right way is to keep to: milliseconds of the longest stall, and how many times slower than on an
# idle day the slow reads may be.
STALL, SLOWER = 100, 2

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """The median of several runs, the least and the greatest."""

    middle: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Figure":
        """Return the figure of some values, of which there is one at least."""
        values = list(values)
        return cls(median(values), min(values), max(values))

    @property
    def is_wide(self) -> bool:
        """Whether the runs differ so much that the median says little."""
        return self.greatest > 2 * self.least and self.greatest - self.least > NOISE

    def __str__(self) -> str:
        spread = f" ({self.least:,.0f} to {self.greatest:,.0f})" if self.is_wide else ""
        return f"{self.middle:,.0f}{spread}"


def results(folder: Path) -> list[Any]:
    """Return what `make lab` has written to a folder: a file for each number of rows, the fewest first.

    Raises:
        OSError: a file cannot be read.
        ValueError: it is no JSON.
    """
    found = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("[0-9]*.json")]
    return sorted(found, key=lambda result: int(result["rows"]))


def figure(scenario: Mapping[str, Any], way: str, name: str) -> Figure:
    """Return one figure of a scenario.

    Args:
        scenario: one of the `scenarios` of a result.
        way: one of WAYS.
        name: such as "stall", in milliseconds.
    """
    return Figure.of(float(run[name]) for run in scenario[way])


def ratio(scenario: Mapping[str, Any], name: str) -> float:
    """Return how many times the right way's figure the naive way's is; below one unit counts as one."""
    naive, right = (figure(scenario, way, name).middle for way in ("naive", "right"))
    return max(naive, 1) / max(right, 1)


def failed(scenario: Mapping[str, Any], way: str) -> str:
    """Return how many statements failed by the way, by SQLSTATE: "0", or "3 x 42P01"."""
    found: dict[str, int] = {}
    for run in scenario[way]:
        for state, count in run["failed"].items():
            found[state] = max(found.get(state, 0), count)
    return ", ".join(f"{count:,} x {state}" for state, count in sorted(found.items())) or "0"


def table(result: Result) -> str:
    """Return the scenarios as a table of Markdown, those where the naive way costs most first."""
    head = (
        "| scenario | longest stall, naive | right | ratio | read p99, idle | naive | right "
        "| failed, naive | right | takes, naive | right |"
    )
    lines = [
        head,
        "| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for each in _by_stall(result):
        stalls = [f"{figure(each, way, 'stall')} ms" for way in ("naive", "right")]
        reads = [f"{figure(each, way, 'reads_p99')} ms" for way in WAYS]
        errors = [failed(each, way) for way in ("naive", "right")]
        seconds = [_took(each, way) for way in ("naive", "right")]
        times = ratio(each, "stall")
        cells = [each["twin"], *stalls, f"{times:,.0f}" if times >= 10 else f"{times:.1f}"]
        cells += [*reads, *errors, *seconds]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def goals(result: Result) -> str:
    """Return as a table of Markdown what of the right way is to be better."""
    lines = [
        f"No failed statement, no stall above {STALL} ms, read p99 at most {SLOWER} times the idle one:",
        "",
        "| scenario | failed statements | longest stall | read p99, idle | right | missed |",
        "| --- | --: | --: | --: | --: | --- |",
    ]
    for each in _by_stall(result):
        stall = figure(each, "right", "stall")
        idle, right = (figure(each, way, "reads_p99").middle for way in ("idle", "right"))
        missed = {
            "failed statements": failed(each, "right") != "0",
            "stall": stall.middle > STALL,
            # A whole millisecond stands for all until the next one.
            "read p99": right >= SLOWER * (idle + 1),
        }
        cells = [each["twin"], failed(each, "right"), f"{stall} ms", f"{idle:.0f} ms", f"{right:.0f} ms"]
        lines.append(f"| {' | '.join([*cells, ', '.join(name for name in missed if missed[name])])} |")
    return "\n".join(lines) + "\n"


def in_readme(text: str, result: Result) -> str:
    """Return the README with the stalls and the failed statements of the scenarios in it."""
    lines = [
        "| scenario | longest stall, naive | right | failed statements, naive | right |",
        "| --- | --: | --: | --: | --: |",
    ]
    for each in _by_stall(result):
        stalls = [f"{figure(each, way, 'stall')} ms" for way in ("naive", "right")]
        errors = [failed(each, way) for way in ("naive", "right")]
        lines.append(f"| {' | '.join([each['slug'], *stalls, *errors])} |")
    return filled(text, "lab", f"{conditions(result)}\n\n" + "\n".join(lines) + "\n")


def _took(scenario: Mapping[str, Any], way: str) -> str:
    stopped = " ".join(sorted({run["stopped"] for run in scenario[way]} - {""}))
    seconds = f"{figure(scenario, way, 'seconds').middle:.1f} s"
    return f"fails after {seconds}: {stopped}" if stopped else seconds


def conditions(result: Result) -> str:
    """Return in a sentence what the figures were taken on."""
    load = result["load"]
    busy = f" Others worked on the machine (load {result['busy']:g})." if result["busy"] > 1 else ""
    return (
        f"{result['rows']:,} documents, PostgreSQL {result['server']}, {result['cores']} cores, "
        f"{load['clients']} clients with {load['rate']:g} transactions a second, seed {load['seed']}; "
        f"medians of {result['runs']}.{busy}"
    )


def _by_stall(result: Result) -> Sequence[Mapping[str, Any]]:
    return sorted(result["scenarios"], key=lambda each: -figure(each, "naive", "stall").middle)


# The chart.

ROW, LEFT, WIDTH, TOP = 30, 290, 430, 52
STYLE = """
    text { font: 13px system-ui, sans-serif; fill: #1f2328 }
    .small { font-size: 11px; fill: #656d76 }
    .naive { fill: #cf222e } .right { fill: #1a7f37 } line { stroke: #d0d7de }
    @media (prefers-color-scheme: dark) {
        text { fill: #e6edf3 } .small { fill: #8d96a0 } line { stroke: #30363d }
        .naive { fill: #f85149 } .right { fill: #3fb950 }
    }
"""


def chart(result: Result) -> str:
    """Return the longest stalls as an SVG, which has light and dark colours."""
    scenarios = _by_stall(result)
    stalls = [[figure(each, way, "stall").middle for way in ("naive", "right")] for each in scenarios]
    greatest = max((value for pair in stalls for value in pair), default=1)
    decades = max(1, math.ceil(math.log10(max(greatest, 10))))
    height = TOP + ROW * len(scenarios) + 10

    def x(milliseconds: float) -> float:
        return LEFT + WIDTH * math.log10(max(milliseconds, 1)) / decades

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 90} {height}" role="img">',
        f"<title>Longest stall of a client. {escape(conditions(result))}</title>",
        f"<style>{STYLE}</style>",
        '<text x="8" y="18">Longest stall of a client</text>',
        f'<text class="small" x="8" y="36">{escape(conditions(result))}</text>',
    ]
    for decade in range(decades + 1):
        at, label = x(10**decade), f"{10**decade:,} ms" if decade < 3 else f"{10 ** (decade - 3):,} s"
        parts.append(f'<line x1="{at:.0f}" x2="{at:.0f}" y1="{TOP}" y2="{height - 8}"/>')
        parts.append(f'<text class="small" x="{at + 3:.0f}" y="{TOP - 2}">{label}</text>')
    for number, (each, pair) in enumerate(zip(scenarios, stalls, strict=True)):
        y = TOP + ROW * number + 6
        parts.append(f'<text x="8" y="{y + 14}">{escape(each["twin"])}</text>')
        for offset, (way, value) in enumerate(zip(("naive", "right"), pair, strict=True)):
            width = max(2, x(value) - LEFT)
            parts.append(
                f'<rect class="{way}" x="{LEFT}" y="{y + 10 * offset}" width="{width:.0f}" height="9">'
                f"<title>{way}: {value:,.0f} ms</title></rect>"
            )
        parts.append(f'<text class="small" x="{x(max(pair)) + 6:.0f}" y="{y + 13}">{pair[0]:,.0f} ms</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> int:
    """Write chart and table of a result beside it, if asked that of the README, and print the whole one."""
    parser = argparse.ArgumentParser(prog="lab.figures", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("result", type=Path, help="what make lab has written")
    parser.add_argument("--readme", action="store_true", help="write the table of README.md too")
    options = parser.parse_args()
    path: Path = options.result
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        written = f"{conditions(result)}\n\n{table(result)}\n{goals(result)}"
        path.with_suffix(".md").write_text(written, encoding="utf-8")
        path.with_suffix(".svg").write_text(chart(result), encoding="utf-8")
        if options.readme:
            README.write_text(in_readme(README.read_text(encoding="utf-8"), result), encoding="utf-8")
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"error: {path} is no result of make lab: {error!r}", file=sys.stderr)
        return 2
    print(written, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
