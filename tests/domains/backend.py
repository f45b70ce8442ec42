"""An empty backend that gets a schema of another trade, by the commands that its README gives."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
from psycopg.errors import InvalidTextRepresentation, UndefinedColumn, UndefinedTable

from tests.conftest import generate_here, shell
from tests.domains.story import Domain

# What is in the database: not the system's, an extension's, a partition or the migrations' own.
TABLES = """
    SELECT oid::regclass::text FROM pg_class
    WHERE relkind IN ('r', 'p') AND NOT relispartition
    AND relname NOT IN ('alembic_version', 'migrate_history')
    AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e') ORDER BY 1
"""

Rows = dict[str, list[dict[str, Any]]]


class Backend:
    """A backend, and what its developer does in it."""

    def __init__(self, folder: Path, domain: Domain) -> None:
        self.folder, self.domain = folder, domain

    def run(self, script: str, **environment: str) -> str:
        """Run commands as a developer types them, and return what they printed; all have to succeed."""
        return shell(f". .venv/bin/activate\n{script}", self.folder, **environment)

    # Models and revisions

    def bring_models(self) -> None:
        """Put the models where the README says."""
        shutil.rmtree(self.folder / "models", ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(self.domain.models, self.folder / "models", ignore=ignored)

    def revise(self, name: str) -> None:
        """Come to a revision, or to several, with all that its review asks for, and upgrade."""
        if source := self.domain.written(name):
            [made] = self._alembic_revision(f"-m {name}")
            made.write_text(pasted(source.read_text(), made.read_text()))
        else:
            patch = self.domain.patch(name)
            if "\n+++ " in patch.read_text():
                self.run(f"patch --strip=0 --quiet < '{patch}'")
            for made in self._alembic_revision(f"--autogenerate -m {name}"):
                text = renamed(made.read_text()) if name.startswith("rename_") else made.read_text()
                made.write_text(filled_in(text, patch.read_text().partition("\n---")[0]))
        self.run("alembic upgrade head")

    def _alembic_revision(self, arguments: str) -> list[Path]:
        before = set(self.revisions())
        self.run(f"alembic revision {arguments}")
        made = [path for path in self.revisions() if path not in before]
        assert made, f"nothing came of: alembic revision {arguments}"
        return made

    def revisions(self) -> list[Path]:
        """Return the files of the chain."""
        return sorted((self.folder / "alembic/versions").glob("*.py"))

    def measure(self) -> None:
        """Have the ledger written, and each revision say which locks were measured."""
        self.run("make ledger")

    def current(self) -> str:
        """Return the revision that the database is at."""
        return self.run("alembic current 2> /dev/null").split()[0]

    # Rows

    @cached_property
    def url(self) -> str:
        """The address of its database."""
        return self.run("python -m migrate url").strip()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(sql.encode()).fetchall()

    def holds(self, sql: str) -> bool:
        """Return whether a query gives true, and does not miss what it asks for."""
        with suppress(UndefinedColumn, UndefinedTable, InvalidTextRepresentation):
            return self.query(sql) == [(True,)]
        return False

    def rows(self) -> Rows:
        """Return every row of every table."""
        return rows(self.query)


@contextmanager
def empty_backend(folder: Path, domain: Domain) -> Iterator[Backend]:
    """Give a backend without tables; its embedded server is gone at the end."""
    project = generate_here(folder, project_name=f"{domain} backend", history="empty")
    project.install()
    try:
        yield Backend(project.folder, domain)
    finally:
        project.remove_server()


def pasted(source: str, made: str) -> str:
    """Return a revision that Alembic has made, with the words and the functions of another file."""
    _, words, body = source.split('"""', 2)
    imports, functions = body.split("\n\n\n", 1)
    ids = re.search(r'^Revision ID:.*?(?=""")', made, re.M | re.S)
    variables = re.search(r"^revision = .*^depends_on = .*?$", made, re.M | re.S)
    assert ids
    assert variables
    words = words.replace("\nAllow:", "\nLocks:\nAllow:", 1) if "\nAllow:" in words else words
    words = words if "\nLocks:" in words else words.replace("\nRollback:", "\nLocks:\nRollback:")
    return f'"""{words}\n{ids[0]}"""{imports}\n\n{variables[0]}\n\n\n{functions}'


def filled_in(text: str, words: str) -> str:
    """Return a revision with these words in its docstring, and no `Instead of:`."""
    for field, said in re.findall(r"^(Scenario|Rollback|Deploy): (.*)$", words, re.M):
        text, count = re.subn(f"^{field}:.*$", f"{field}: {said}", text, count=1, flags=re.M)
        assert count, field
    allowed = "".join(f"{line}\n" for line in re.findall("^Allow: .*$", words, re.M))
    text = re.sub(r"^Instead of:.*\n", "", text, count=1, flags=re.M)
    return re.sub(r"^(Locks:.*\n)", rf"\1{allowed}", text, count=1, flags=re.M)


def renamed(text: str) -> str:
    """Return a revision with the line that its remark gives in place of what follows, and its way back."""
    found = re.search(
        r'# +op\.alter_column\(("[^"]*"), ("[^"]*"), new_column_name=("[^"]*")(.*)\)$', text, re.M
    )
    assert found, text
    table, old, new, rest = found.groups()
    up = f"op.alter_column({table}, {old}, new_column_name={new}{rest})"
    down = f"op.alter_column({table}, {new}, new_column_name={old}{rest})"
    head = text[: text.index("def upgrade()")].replace("import sqlalchemy as sa\n", "")
    return f"{head}def upgrade() -> None:\n    {up}\n\n\ndef downgrade() -> None:\n    {down}\n"


def rows(query: Callable[[str], list[tuple[Any, ...]]]) -> Rows:
    """Return every row of every table, in an order that does not depend on storage."""
    return {
        table: [
            json.loads(row)
            for (row,) in query(f'SELECT to_jsonb(t)::text COLLATE "C" AS row FROM {table} AS t ORDER BY 1')
        ]
        for (table,) in query(TABLES)
    }


def common(before: Rows, after: Rows) -> tuple[Rows, Rows]:
    """Return the rows of two moments, less the tables and columns that only one of them has."""

    def less(rows: Rows, others: Rows) -> Rows:
        return {
            table: sorted(
                (
                    {c: v for c, v in row.items() if not others[table] or c in others[table][0]}
                    for row in lines
                ),
                key=str,
            )
            for table, lines in rows.items()
            if table in others
        }

    return less(before, after), less(after, before)
