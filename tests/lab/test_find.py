"""`python -m migrate find`: what somebody types, and the scenario that has to be among the first three."""

import json
import subprocess
import sys

import pytest
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
    "pause and resume a long backfill": "throttle_document_page_characters",
    "backfill that watches replication lag": "throttle_document_page_characters",
    "encrypt a column with a key of the application": "encrypt_shift_contact_phone",
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
    "auto increment key is about to overflow": "expand_category_id",
    "convert a huge existing table to monthly partitions": "partition_audit_logs",
    "remove rows older than a year": "purge_audit_logs",
    "no two bookings of a room may overlap": "exclude_overlapping_review_shifts",
    "exclusion constraint": "exclude_overlapping_review_shifts",
    "time ordered primary keys": "default_document_id_uuidv7",
    "replicate one table to a data warehouse": "publish_documents",
    "history table filled by a trigger": "track_review_shift_changes",
    "who changed which row and when": "track_review_shift_changes",
    "read only role for analytics": "grant_reporting_reads",
    "alter the type of a column that a view uses": "change_column_under_view",
    "change the parameters of a function": "replace_shift_minutes_function",
    "one validation rule for many columns": "create_desk_domain",
    "convert text to jsonb": "expand_review_shift_options",
    "move a table into another schema": "move_review_shifts_to_archive",
    "is anybody still reading this table": "rename_legacy_page_counts",
    "postgres 18 not null not valid": "require_review_shift_desk_not_valid",
    "the planner picks a bad plan because two columns depend on each other": "create_document_statistics",
    "a table is bloated by frequent updates": "tune_documents_storage",
    "give invoices consecutive numbers": "create_review_shift_sequence",
    "upgrade an extension to a newer version": "update_pg_trgm",
    "save the result of a query as a new table": "create_legacy_page_counts",
    "replace a single column key by a composite one": "replace_auth_provider_key",
    "remove a schema with everything in it": "drop_archive_schema",
    "we are running out of integers in the id column": "expand_category_id",
    "copy changes to a second server continuously": "publish_documents",
    "migrate a column from serial to generated always as identity": "use_identity_for_page_notes",
    "make constraint checking wait until commit": "defer_document_page_number",
    "break a big log table into pieces": "partition_audit_logs",
    "reports must keep working when tables change": "create_planned_review_shifts",
    "let the BI team read all tables": "grant_reporting_reads",
    "prevent double booking": "exclude_overlapping_review_shifts",
    "erase old records": "purge_audit_logs",
    "function with a new argument while old code calls it": "replace_shift_minutes_function",
    "validate email format in one place": "create_desk_domain",
    "view prevents altering a column": "change_column_under_view",
    "planner misestimates rows": "create_document_statistics",
    "safe way to get rid of an old table nobody uses": "retire_legacy_page_counts",
    "vacuum settings for one hot table": "tune_documents_storage",
    "bigger ids for a table with many foreign keys": "expand_category_id",
    "swap two positions in a list with unique order numbers": "defer_document_page_number",
    "archive a table": "move_review_shifts_to_archive",
    "an audit trail of every change": "track_review_shift_changes",
    "give a service account access to new tables automatically": "grant_reporting_reads",
    "a foreign key over two columns": "reference_document_page",
    "delete ten million rows slowly": "purge_audit_logs",
    "too many dead tuples after updates": "tune_documents_storage",
    "logical replication of a table": "publish_documents",
    "turn a plain table into a partitioned table": "partition_audit_logs",
    "text column that holds json should become jsonb": "expand_review_shift_options",
    "make ids sortable by time": "default_document_id_uuidv7",
    "increase primary key range": "expand_category_id",
    "check uniqueness only at the end": "defer_document_page_number",
    "split a giant table by date": "partition_audit_logs",
    "readonly account for dashboards": "grant_reporting_reads",
    "store a change log of each row": "track_review_shift_changes",
    "replicate to a copy for reporting": "publish_documents",
    "reservation periods must not intersect": "exclude_overlapping_review_shifts",
    "function signature change": "replace_shift_minutes_function",
    "rename fk": "rename_page_notes_constraint",
    "next invoice number": "create_review_shift_sequence",
    "extension is outdated": "update_pg_trgm",
    "bad row estimates": "create_document_statistics",
    "json stored as text": "expand_review_shift_options",
    "move a table to the archive schema": "move_review_shifts_to_archive",
    "array to a table of its own": "expand_review_request_keywords",
    "many to many instead of an array": "expand_review_request_keywords",
    "json array to rows": "expand_review_request_remarks",
    "move JSON into a child table": "expand_review_request_remarks",
    "varchar to enum": "expand_review_request_urgency",
    "change a text column to uuid": "expand_review_request_urgency",
    "computed column": "add_review_shift_starts_on_generated",
    "generated always as stored": "add_review_shift_starts_on_generated",
    "make a varchar shorter": "narrow_review_topics",
    "fewer decimals": "narrow_review_topics",
    "citext": "unique_review_topic_name_in_any_case",
    "collation version mismatch after an upgrade": "refresh_collation_versions",
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


@pytest.mark.slow
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
    assert len(INTENTS) >= 120
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
