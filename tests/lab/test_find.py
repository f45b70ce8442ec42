"""`python -m migrate find`: what somebody types, and the scenario that has to be among the first three."""

import json
import subprocess
import sys

from jsonschema import Draft202012Validator

from tests.conftest import BACKEND
from tests.lab.test_atlas import WISHES

# Beside those that the atlas is tried with.
INTENTS = WISHES | {
    "I need a new optional text field on users": "add_user_phone",
    "change the default value": "change_document_priority_default",
    "self reference parent id": "add_category_parent",
    "store ip addresses": "add_audit_log_ip_address",
    "unique email address": "unique_user_email",
    "split a table in two": "create_auth_providers",
    "move passwords to their own table": "create_auth_providers",
    "row level security": "enable_webhook_row_security",
    "covering index include": "index_documents_list_covering",
    "array column": "add_document_tags",
    "lookup table with fixed rows": "create_roles",
    "merge two migration branches": "merge_dev_and_prod",
    "rename an enum value": "rename_document_status_failed",
    "rename a column while old code is running": "expand_renamed_note",
    "change the name of a column": "rename_document_name_to_title",
    "drop an unused index": "drop_redundant_index",
    "create next month's partition automatically": "make_webhook_deliveries_partitions",
    "view of active rows": "create_active_documents_view",
    "send a table to another database": "publish_documents",
    "primary key int to bigint": "expand_category_id",
    "we run out of ids": "expand_category_id",
    "swap the positions of two rows": "defer_document_page_number",
    "deferrable unique constraint": "defer_document_page_number",
    "use uuidv7 instead of random uuids": "default_document_id_uuidv7",
    "change serial to identity": "use_identity_for_page_notes",
    "composite foreign key": "reference_document_page",
    "rename a constraint": "rename_page_notes_constraint",
    "remove a foreign key": "drop_page_notes_fk",
    "set replica identity": "set_replica_identity_of_auth_providers",
    "change the primary key of a table": "replace_auth_provider_key",
}


# Prints the steps of what is found first, for each of the lines that it reads.
PROGRAM = """
import json, sys
from pathlib import Path
from migrate.chain import revisions
from migrate.find import find
chain = revisions()
for words in json.load(sys.stdin):
    found = find(chain, Path("alembic/versions"), words)[:3]
    print(json.dumps([step.slug for scenario in found for step in scenario.steps]))
"""


def test_what_is_asked_for_is_among_the_first_three() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps([*INTENTS]), cwd=BACKEND, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = map(json.loads, done.stdout.splitlines())
    missed = {
        words: slugs
        for (words, wanted), slugs in zip(INTENTS.items(), found, strict=True)
        if wanted not in slugs
    }
    assert len(INTENTS) >= 60
    assert len(missed) <= len(INTENTS) * 0.05, missed


def test_the_command_names_files() -> None:
    command = [sys.executable, "-m", "migrate", "find", "--json", "split", "a", "column", "in", "two"]
    done = subprocess.run(command, cwd=BACKEND, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert len(found[0]["files"]) > 1
    assert found[0]["title"] == "split a column in two"  # and not which step of it
    schemas = json.loads((BACKEND / "docs/schemas.json").read_text(encoding="utf-8"))
    Draft202012Validator({**schemas, "$ref": "#/$defs/find"}).validate(found)


def test_where_nothing_fits_it_says_so() -> None:
    command = [sys.executable, "-m", "migrate", "find", "xyzzy"]
    done = subprocess.run(command, cwd=BACKEND, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "nothing found: other words?\n")
