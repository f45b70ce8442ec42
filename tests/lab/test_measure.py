"""`make lab`: what it measures, and what it makes of it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from lab.curve import KINDS, curves, picture
from lab.curve import table as table_of_curves
from lab.figures import Figure, chart, conditions, figure, goals, in_readme, results, table
from lab.readme import README
from tests.conftest import TEMPLATE


def run(**figures: Any) -> dict[str, Any]:
    """Return one run as the lab writes it."""
    return {"stall": 0.0, "reads_p99": 4, "seconds": 1.0, "failed": {}, "stopped": "", **figures}


RESULT = {
    "rows": 100_000,
    "server": "18.6",
    "cores": 2,
    "busy": 0.4,
    "runs": 3,
    "load": {"rate": 200.0, "clients": 8, "seed": 1},
    "scenarios": [
        {
            "twin": "little",
            "idle": [run()],
            "naive": [run(stall=40.0), run(stall=44.0), run(stall=42.0)],
            "right": [run(stall=10.0), run(stall=11.0), run(stall=12.0)],
        },
        {
            "twin": "much & more",
            "idle": [run()],
            "naive": [run(stall=900.0, failed={"42P01": 2}), run(stall=300.0, failed={"42P01": 7})],
            "right": [run(stopped="55P03"), run()],
        },
    ],
}


def test_a_figure_with_a_wide_spread_says_so() -> None:
    assert str(Figure.of([10, 12, 11])) == "11"
    assert str(Figure.of([1, 15])) == "8"  # what chance gives and takes
    assert str(Figure.of([300, 900])) == "600 (300 to 900)"
    assert figure(RESULT["scenarios"][0], "naive", "stall") == Figure(42.0, 40.0, 44.0)  # type: ignore[index]


def test_the_table_has_what_costs_most_first() -> None:
    much, little = table(RESULT).splitlines()[2:]
    assert much.startswith(
        "| much & more | 600 (300 to 900) ms | 0 ms | 600 | 4 ms | 4 ms | 4 ms | 7 x 42P01 | 0 |"
    )
    assert much.endswith("| 1.0 s | fails after 1.0 s: 55P03 |")
    assert little.startswith("| little | 42 ms | 11 ms | 3.8 |")


def test_the_conditions_say_that_others_worked_on_the_machine() -> None:
    assert conditions(RESULT).endswith("medians of 3.")
    assert conditions({**RESULT, "busy": 7.5}).endswith(
        "medians of 3. Others worked on the machine (load 7.5)."
    )


def test_the_goals_name_what_the_right_way_misses() -> None:
    slow = {"twin": "slow", "idle": [run()], "naive": [run()], "right": [run(stall=101.0, reads_p99=10)]}
    good = slow | {"twin": "good", "right": [run(stall=100.0, reads_p99=9)]}
    fails = good | {"twin": "fails", "right": [run(failed={"40P01": 1})]}
    lines = goals({**RESULT, "scenarios": [slow, good, fails]}).splitlines()[4:]
    missed = {cells[1]: cells[-2] for line in lines if (cells := [cell.strip() for cell in line.split("|")])}
    assert missed == {"slow": "stall, read p99", "good": "", "fails": "failed statements"}


def test_a_curve_has_a_point_for_each_number_of_rows(tmp_path: Path) -> None:
    index, column = "index_document_tags", "add_document_priority"
    written: list[dict[str, Any]] = [
        {"rows": rows, "scenarios": [{"slug": index, "right": [run(seconds=rows / 1000)]}]}
        for rows in (100_000, 10_000)
    ]
    written[0]["scenarios"] += [
        {"slug": column, "right": [run(seconds=0.02)]},
        {"slug": "another", "right": [run()]},
    ]
    for result in written:
        (tmp_path / f"{result['rows']}.json").write_text(json.dumps(result), encoding="utf-8")
    (tmp_path / "mutants.json").write_text("{}", encoding="utf-8")  # another tool's
    found = curves(results(tmp_path))
    assert found == {index: {10_000: 10.0, 100_000: 100.0}, column: {100_000: 0.02}}
    lines = ElementTree.fromstring(picture(found, "18.6")).findall(".//{*}polyline")
    assert [str(line.get("points")).count(",") for line in lines] == [2, 1]
    assert f"| {KINDS[column]} ({column}) |  | 0.02 s |" in table_of_curves(found).splitlines()


def test_the_chart_has_a_bar_for_each_way_and_both_colour_schemes() -> None:
    drawn = chart(RESULT)
    bars = ElementTree.fromstring(drawn).findall(".//{*}rect")
    assert [bar.get("class") for bar in bars] == ["naive", "right", "naive", "right"]
    widths = [float(bar.get("width", 0)) for bar in bars]
    assert widths[0] > widths[2] > widths[3] > widths[1]
    assert "prefers-color-scheme: dark" in drawn


@pytest.mark.slow
def test_both_ways_are_measured_on_the_same_rows_under_traffic(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    options = ["--rows=10000", "--runs=1", "--seconds=3"]
    command = [
        sys.executable,
        "-m",
        "lab.backend",
        "lab.measure",
        str(path),
        "add_document_priority",
        *options,
    ]
    subprocess.run(command, cwd=TEMPLATE, check=True)
    result = json.loads(path.read_text())
    [scenario] = result["scenarios"]
    [idle], [naive], [right] = scenario["idle"], scenario["naive"], scenario["right"]
    assert result["rows"] == 10_000
    for each in (idle, naive, right):
        assert each["transactions"] > 10
        assert each["rows_written"] > 10
        assert not each["failed"] | right["failed"]
        assert not each["stopped"]
    assert idle["stall"] == 0
    # The naive way writes the table anew: a hundred bytes for each row, at the least.
    assert naive["wal_bytes"] > right["wal_bytes"] + 100 * 10_000
    assert table(result).count("\n") == 3


@pytest.mark.slow
def test_what_cannot_be_measured_is_refused_in_one_line(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "lab.backend",
        "lab.measure",
        str(tmp_path / "result"),
        "drop_legacy_exports",
    ]
    done = subprocess.run(command, cwd=TEMPLATE, capture_output=True, text=True)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("error: drop_legacy_exports: nothing to be timed; there are ")


def test_the_readme_has_the_figures_of_the_lab() -> None:
    result = json.loads((README.parent / "lab/results/100000.json").read_text(encoding="utf-8"))
    readme = README.read_text(encoding="utf-8")
    assert len(result["scenarios"]) == 10
    assert readme == in_readme(readme, result), "make lab"
