"""Outside judges of the worked chain: squawk of its SQL, zdm of its files.

What is right in general and wrong in one place is answered in tests/judges.toml, with the reason.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from lab.judges import scripts, squawk, zdm
from tests.conftest import TEMPLATE, Project

STYLE = {"prefer-text-field", "prefer-bigint-over-int"}


def findings(backend: Path, folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the rule, the slug and the words of what both find."""
    yield from squawk(scripts(backend, folder))
    for rule, name, words in zdm(backend / "alembic/versions"):
        yield rule, name.split("_", 2)[2], words


def test_every_finding_is_answered_and_every_answer_is_needed(default: Project, tmp_path: Path) -> None:
    exceptions = tomllib.loads((TEMPLATE / "tests/judges.toml").read_text(encoding="utf-8"))["exception"]
    listed = [(rule, slug) for entry in exceptions for rule in entry["rules"] for slug in entry["slugs"]]
    used, wrong = set(), []
    for rule, revision, words in findings(default.folder, tmp_path):
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


def test_no_comment_in_a_revision_speaks_to_a_tool(default: Project) -> None:
    found = [
        f"{path.name}:{number}: {line.strip()}"
        for path in sorted((default / "alembic/versions").glob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"(#|--) *(squawk|zdm|noqa|ruff|fmt|type: ignore|pylint|pragma)\b", line)
    ]
    assert not found, "\n" + "\n".join(found)
