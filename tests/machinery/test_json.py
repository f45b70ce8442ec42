"""What commands print with `--json` is what docs/schemas.json says, for programs to rely on."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from database import ROOT
from tests.machinery.support import Database, program

SCHEMAS = json.loads((ROOT / "docs/schemas.json").read_text(encoding="utf-8"))
DEFINITIONS = {"fault", "direction", "statement"}  # what others refer to
COMMANDS = {
    "status": ["status", "--json"],
    "history": ["history", "--json"],
    "ledger": ["ledger", "--json"],
    "review": ["review", "--json"],
}


def wrong(name: str, printed: Any) -> list[str]:
    schema = {**SCHEMAS, "$ref": f"#/$defs/{name}"}
    Draft202012Validator.check_schema(schema)
    errors = Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(printed)
    return [f"{error.json_path}: {error.message}" for error in errors]


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_printed_is_what_the_schema_says(name: str, head: Database) -> None:
    done = program("migrate", *COMMANDS[name], url=head.url)
    printed = json.loads(done.stdout)
    assert printed
    assert wrong(name, printed) == []
    one = printed[0] if isinstance(printed, list) else printed
    for key in list(one):  # a fact more or less is told
        fewer = {k: v for k, v in one.items() if k != key}
        assert wrong(name, [fewer] if isinstance(printed, list) else fewer)
    more = {**one, "colour": "blue"}
    assert wrong(name, [more] if isinstance(printed, list) else more)


def test_a_refusal_is_what_the_schema_says(head: Database, tmp_path: Path) -> None:
    last = max((ROOT / "alembic/versions").glob("*.py")).read_text()
    draft = tmp_path / "draft.py"
    draft.write_text(
        'from alembic import op\nrevision = "0123456789ab"\n'
        f"down_revision = {re.findall('^revision = (.*)$', last, re.M)[0]}\n"
        'def upgrade():\n    op.drop_table("notes")\ndef downgrade():\n    pass\n'
    )
    done = program("migrate", "review", str(draft), "--json", url=head.url)
    assert done.returncode == 3
    assert wrong("review", printed := json.loads(done.stdout)) == []
    assert {fault["kind"] for fault in printed["faults"]} == {"Deploy", "Rollback", "docstring"}
    assert all(fault["scenarios"] for fault in printed["faults"] if fault["kind"] != "docstring")


def test_the_page_names_each_schema() -> None:
    page = (ROOT / "docs/PROGRAMS.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `[^|]+` \| `(\w+)` \|", page, re.M))
    assert named | {"find"} == SCHEMAS["$defs"].keys() - DEFINITIONS
