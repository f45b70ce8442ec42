"""Outside judges of the worked chain: squawk of its SQL, zdm of its files.

What is right in general and wrong in one place is answered in tests/judges.toml, with the reason.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import TEMPLATE, shell

STYLE = {"prefer-text-field", "prefer-bigint-over-int"}


def scripts(backend: Path, folder: Path) -> list[Path]:
    """Write the SQL of each revision's upgrade into a file of its slug's name."""
    shell(f"'{sys.executable}' -m alembic upgrade head --sql > '{folder}/upgrade.sql'", backend)
    whole = (folder / "upgrade.sql").read_text(encoding="utf-8")
    settings, *parts = re.split(
        r"^BEGIN;\n(?=\n-- Running|\nCREATE TABLE alembic_version)", whole, flags=re.M
    )
    slugs = {
        re.findall(r'^revision = "(\w+)"', path.read_text(encoding="utf-8"), re.M)[0]: slug(path)
        for path in (backend / "alembic/versions").glob("*.py")
    }
    written = []
    for part in parts:
        [revision] = re.findall(r"^-- Running upgrade .*-> (\w+)$", part, re.M)
        written.append(folder / f"{slugs.pop(revision)}.sql")
        written[-1].write_text(f"{settings}BEGIN;\n{part}", encoding="utf-8")
    assert not slugs, f"not in the SQL: {slugs}"
    return written


def slug(path: Path) -> str:
    return path.stem.split("_", 2)[2]


def judge(program: str, *arguments: str | Path) -> str:
    """Return what one of the two prints."""
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments], capture_output=True, text=True
    )
    assert done.returncode in (0, 1), done.stderr  # 1: it has found something
    return done.stdout


def findings(backend: Path, folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the rule, the slug and the words of what both find."""
    printed = judge("squawk", "--pg-version=15", "--reporter=json", *scripts(backend, folder))
    for found in json.loads(printed):
        yield found["rule_name"], Path(found["file"]).stem, found["message"]
    versions = backend / "alembic/versions"
    for found in json.loads(judge("zdm", "--output-format=json", versions))["diagnostics"]:
        place = Path(found["path"])
        yield found["rule_id"], slug(place), f"line {found['line']}: {found['message']}"


def test_every_finding_is_answered_and_every_answer_is_needed(default: Path, tmp_path: Path) -> None:
    exceptions = tomllib.loads((TEMPLATE / "tests/judges.toml").read_text(encoding="utf-8"))["exception"]
    listed = [(rule, slug) for entry in exceptions for rule in entry["rules"] for slug in entry["slugs"]]
    used, wrong = set(), []
    for rule, revision, words in findings(default, tmp_path):
        answers = {(rule, revision), (rule, "*")} & set(listed)
        used |= answers
        if not answers:
            wrong.append(f"{revision}: {rule}: {words}: fix it, or say in judges.toml why it is right")
    for rule, revision in sorted(set(listed)):
        if (rule, revision) not in used:
            wrong.append(f"judges.toml: {revision} has no {rule}: take it out")
        if listed.count((rule, revision)) > 1:
            wrong.append(f"judges.toml: {revision} answers {rule} twice")
        if revision == "*" and rule not in STYLE:
            wrong.append(f"judges.toml: {rule} is no rule of style: name the revisions")
    wrong += [
        f"judges.toml: {entry['reason']!r} is no sentence"
        for entry in exceptions
        if not re.fullmatch(r"\w.* .* .*\.", entry["reason"])
    ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_no_comment_in_a_revision_speaks_to_a_tool(default: Path) -> None:
    found = [
        f"{path.name}:{number}: {line.strip()}"
        for path in sorted((default / "alembic/versions").glob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"(#|--) *(squawk|zdm|noqa|ruff|fmt|type: ignore|pylint|pragma)\b", line)
    ]
    assert not found, "\n" + "\n".join(found)
