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
    "check": ["check", "--json"],
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


def test_each_difference_is_what_the_schema_says_and_what_autogenerate_would_write(head: Database) -> None:
    head.execute("ALTER TABLE customers DROP COLUMN phone")
    head.execute("ALTER TABLE mechanics ALTER COLUMN name DROP NOT NULL")
    head.execute("DROP INDEX idx_repairs_waiting")
    head.execute("CREATE TABLE extra (n integer)")
    done = program("migrate", "check", "--json", url=head.url)
    assert done.returncode == 3, done.stderr
    printed = json.loads(done.stdout)
    assert wrong("check", printed) == []
    assert printed["state"] == "different"
    found = {each["change"]: (each["table"], each["name"]) for each in printed["differences"]}
    assert found == {
        "add_column": ("customers", "phone"),
        "alter_column": ("mechanics", "name"),
        "create_index": ("repairs", "idx_repairs_waiting"),
        "drop_table": ("extra", None),
    }
    told = program("migrate", "check", url=head.url)
    assert told.returncode == 3
    first, *lines = told.stdout.splitlines()
    assert first.startswith("different: the models and ")
    assert "\n".join(lines) == "\n".join(each["code"] for each in printed["differences"])
    assert "op.drop_table('extra')" in lines


def test_a_difference_that_autogenerate_cannot_write_is_named(head: Database) -> None:
    head.execute("ALTER TYPE repair_state RENAME VALUE 'failed' TO 'lost'")
    done = program("migrate", "check", "--json", url=head.url)
    assert done.returncode == 3, done.stderr
    printed = json.loads(done.stdout)
    assert wrong("check", printed) == []
    assert [each["change"] for each in printed["differences"]] == ["refused"]


def test_a_database_that_is_not_at_head_is_not_compared(empty: Database) -> None:
    done = program("migrate", "check", "--json", url=empty.url)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch("error: .*not up to date.*\n", done.stderr)


def test_the_page_names_each_schema() -> None:
    page = (ROOT / "docs/PROGRAMS.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `[^|]+` \| `(\w+)` \|", page, re.M))
    assert named | {"find"} == SCHEMAS["$defs"].keys() - DEFINITIONS
