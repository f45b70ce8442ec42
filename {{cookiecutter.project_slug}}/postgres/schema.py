"""The schema of a database as text, to compare two of them."""

import os
import re

from sqlalchemy import URL

from postgres import client, embedded

# Options of pg_dump: the version and the history of the migrations are no part of a schema.
WITHOUT_BOOKS = ("--exclude-table=alembic_version", "--exclude-table=migrate_history")

# Settings by which the server writes defaults and CHECKs. pg_dump leaves them as the database has them.
STYLES = " -c bytea_output=hex -c lc_monetary=C -c quote_all_identifiers=off"


def schema(url: URL) -> str:
    """Return the schema as pg_dump prints it, without the parts that do not count.

    These are pg_dump's own comments, security labels, the order of columns, the tables of the version
    and the history, the styles of the database, and the counter pg_attver that PostgreSQL 15.20 keeps in
    a column's options.

    Raises:
        ClientError: pg_dump failed.
    """
    outside = "" if embedded.is_embedded(url) else os.environ.get("PGOPTIONS", "")
    url = url.update_query_dict({"options": f"{url.query.get('options', outside)}{STYLES}"})
    dump = client.output(
        "pg_dump", url, "--schema-only", "--no-owner", "--no-privileges", *WITHOUT_BOOKS,
        "--no-security-labels",  # they are for SELinux, and take a tenth of the time
    )  # fmt: skip
    lines = [
        line
        for line in dump.splitlines()
        if line and not line.startswith(("--", "\\", "SET ")) and "SET (pg_attver=" not in line
    ]
    tables = re.compile(r"^(CREATE TABLE [^\n]* \(\n)(.*?)(^\))", re.M | re.S)
    return tables.sub(_sort_columns, "\n".join(lines))


def _sort_columns(match: re.Match[str]) -> str:
    columns = sorted(line.rstrip(",") for line in match[2].splitlines())
    return match[1] + "\n".join(columns) + "\n" + match[3]
