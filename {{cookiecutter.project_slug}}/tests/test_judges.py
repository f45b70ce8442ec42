"""Outside judges of the chain: squawk of its SQL, zdm of its files.

A finding that is right in general and wrong here is silenced at its line, with the reason:
`# squawk: ignore RULE, why` or `# zdm: ignore RULE, why`. Nothing else is.
"""

import ast
import json
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest

from migrate.chain import Revision
from migrate.run.guard import GuardedImpl
from tests.support import REVISIONS, offline_script

# Pure style, in squawk's own words "prefer": which of two sound types a column has.
STYLE = {
    "prefer-text-field": "varchar(n) keeps out what is too long; widening it is a change of the catalogue",
    "prefer-bigint-over-int": "the ids of a lookup table and the size of a page do not run out",
    "prefer-identity": "as above",
}


@dataclass(frozen=True)
class Finding:
    """What a judge said, and of which lines of the file."""

    rule: str
    first_line: int
    last_line: int
    message: str


def judge_sql(revision: Revision, monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """Return what squawk says of the SQL of an upgrade, by the lines that wrote it."""
    tree = ast.parse(revision.path.read_text(encoding="utf-8"))
    calls = {
        line: node
        for node in ast.walk(tree)  # the innermost statement comes last
        if isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef | ast.With)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    written: list[ast.stmt | None] = []  # for each line of the SQL, what wrote it
    output = GuardedImpl.static_output

    def static_output(self: GuardedImpl, text: str) -> None:
        frame = sys._getframe()
        while frame.f_back and frame.f_code.co_filename != str(revision.path):
            frame = frame.f_back
        written.extend([calls.get(frame.f_lineno)] * (len(text.splitlines()) + 1))
        output(self, text)

    monkeypatch.setattr(GuardedImpl, "static_output", static_output)
    sql = offline_script(revision)
    judged = subprocess.run(
        [
            Path(sys.executable).with_name("squawk"), "--pg-version=15", "--reporter=json",
            f"--exclude={','.join(STYLE)}", "--stdin-filepath=revision.sql",
        ],
        input=sql,
        capture_output=True,
        text=True,
    )  # fmt: skip
    findings = []
    for found in json.loads(judged.stdout):
        statement = written[found["line"]]
        assert statement, f"{found['rule_name']} in what Alembic itself writes: {found['message']}"
        end = statement.end_lineno or statement.lineno
        findings.append(Finding(found["rule_name"], statement.lineno, end, found["message"]))
    return findings


@pytest.fixture(scope="session")
def zdm() -> dict[str, list[Finding]]:
    """What zdm says of each file, at the lines that it names."""
    folder = REVISIONS[0].path.parent
    judged = subprocess.run(
        [Path(sys.executable).with_name("zdm"), "--output-format=compact", folder],
        capture_output=True,
        text=True,
    ).stdout
    findings = defaultdict(list)
    for name, line, rule, message in re.findall(r"(\w+)\.py:(\d+): \w: \[(R\d+) [\w-]+\] (.*)", judged):
        findings[name].append(Finding(rule, int(line), int(line), message))
    return findings


each_revision = pytest.mark.parametrize("revision", REVISIONS, ids=str)


@each_revision
def test_squawk_finds_nothing_that_is_not_answered(
    revision: Revision, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = revision.path.read_text(encoding="utf-8").splitlines()
    answers = {
        (number, rule)
        for number, line in enumerate(lines, start=1)
        for rule in re.findall(r"# squawk: ignore ([\w-]+), \w", line)
    }
    used = set()
    for finding in judge_sql(revision, monkeypatch):
        # On a line of the statement, or alone on one just above it.
        above = finding.first_line - 1
        while lines[above - 1].lstrip().startswith(("# squawk:", "# zdm:")):
            above -= 1
        places = {(n, finding.rule) for n in range(above, finding.last_line + 1)} & answers
        assert places, f"line {finding.first_line}: {finding.rule}: {finding.message}"
        used |= places
    assert answers == used, "an answer to nothing"


@each_revision
def test_zdm_finds_nothing(revision: Revision, zdm: dict[str, list[Finding]]) -> None:
    assert zdm.get(revision.path.stem, []) == []


@each_revision
def test_every_word_to_zdm_has_its_reason_and_is_needed(revision: Revision, tmp_path: Path) -> None:
    source = revision.path.read_text(encoding="utf-8")
    answers = re.findall(r"# zdm: ignore (R\d+)(.*)", source)
    assert all(re.match(r", \w", reason) for _, reason in answers)
    if answers:
        versions = tmp_path / "alembic" / "versions"
        versions.mkdir(parents=True)
        (versions / revision.path.name).write_text(source.replace("# zdm: ignore", "# zdm, not:"))
        judged = subprocess.run(
            [Path(sys.executable).with_name("zdm"), "--output-format=compact", versions],
            capture_output=True,
            text=True,
        ).stdout
        assert sorted(re.findall(r"\[(R\d+) ", judged)) == sorted(rule for rule, _ in answers)
