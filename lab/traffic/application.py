"""The transactions of an application, as people write them: two or three statements each.

It locks as code does: a user before what they own, a document before its pages, a webhook before
its deliveries, and of two rows the one with the lower id first. Alone it never meets a deadlock
and never breaks a rule, so that each error under a migration is the migration's.
"""

import itertools
import random
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol
from uuid import uuid4

from lab.traffic.ledger import ROW, Change, Ledger
from lab.traffic.schema import Code, Form

SHARED = 100  # rows of each table that all sessions edit, beside the awkward ones
NEW = 500  # rows that it has made itself and still edits


class Session(Protocol):
    """A transaction of a client, whose statements are timed."""

    def execute(self, kind: str, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Run a statement of a kind, such as "update users", and return its rows."""


class Application:
    """What all clients do, on one database."""

    def __init__(self, code: Code, ledger: Ledger, rows: dict[str, list[Any]], seed: int) -> None:
        """Get to work.

        Args:
            code: what the application knows of the schema.
            ledger: is told what is committed.
            rows: the ids of rows to edit that are there already, by table.
            seed: decides who does what.
        """
        self.code, self.ledger, self.random = code, ledger, random.Random(seed)
        self.shared = rows
        self.new: dict[str, deque[Any]] = {table: deque(maxlen=NEW) for table in code.names}
        self._serial = itertools.count()
        # What an earlier run has written may be there still.
        self._run, self._page = uuid4().hex[:6], 1_000_000 + uuid4().int % 2_000_000_000
        self.transactions: list[Callable[[Transaction], None]] = [
            each for each, tables in TRANSACTIONS if set(tables) <= code.names.keys()
        ]

    def one(self, table: str) -> Any:
        """Return the id of some row, a new one or one that was there."""
        rows = self.new[table] if self.new[table] and self.random.random() < 0.5 else self.shared[table]
        return self.random.choice(rows) if rows else None

    def value(self, name: str) -> Any:
        """Return a value that breaks no rule of any revision, and that no row has yet where it matters."""
        n = next(self._serial)
        match name:
            case "priority":
                return n % 10
            case "file_size":
                return 1 + n
            case "page_number":
                return self._page + n
            case "status":
                return self.random.choice(self.code.labels)
            case "language":
                return self.random.choice(["de", "en", "pl"])
            case "tags":
                return [f"tag {n}"]
            case "name":
                return f"First{n} Last{self._run}"
            case "email":
                return f"{self._run}.{n}@example.com"
            case "url":
                return f"https://{self._run}.example.com/{n}"
            case _:
                return f"{name[:6]} {self._run} {n}"  # what is in a varchar(20)


class Transaction:
    """One transaction, which writes by the forms that its version of the code knows."""

    def __init__(self, application: Application, session: Session) -> None:
        self.app, self._session = application, session
        self.changes: list[Change] = []
        self._version = application.random.random()
        self.made: list[tuple[str, Any]] = []

    def committed(self) -> None:
        """Tell the ledger, and let others edit the rows that are new."""
        self.app.ledger.commit(self.changes)
        for table, row in self.made:
            self.app.new[table].append(row)

    def execute(self, kind: str, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Run a statement."""
        return self._session.execute(kind, statement, values)

    def lock(self, table: str, row: Any, how: str = "UPDATE", key: str = "id") -> list[Any]:
        """Lock rows in the order of their ids, and return those that are there."""
        name = self.app.code.names[table]
        found = self.execute(
            f"lock {table}", f"SELECT id FROM {name} WHERE {key} = %(row)s ORDER BY id FOR {how}", row=row
        )
        return [id_ for (id_,) in found]

    def insert(self, table: str, parents: dict[str, Any], given: str = "id", **more: Any) -> Any:
        """Insert a row, with a value for everything that the code knows.

        Args:
            table: where.
            parents: the columns that refer to other rows.
            given: the column whose value the client makes; nothing where the server does.
            more: other columns.
        """
        forms, values = self._write(self.app.code.forms[table])
        row = uuid4()
        columns = {
            **({given: "%(id)s"} if given else {}),
            **{column: f"%({column})s" for column in {**parents, **more}},
            **{column: value for form in forms.values() for column, value in form.columns.items()},
        }
        names = ", ".join(f'"{column}"' for column in columns)
        into = f"INSERT INTO {self.app.code.names[table]} ({names})"
        statement = f"{into} VALUES ({', '.join(columns.values())}) RETURNING id"
        [[row]] = self.execute(f"insert {table}", statement, id=row, **parents, **more, **values)
        self._aside(row, forms, values)
        self.note(table, row, {ROW: True, **values})
        self.made.append((table, row))
        return row

    def update(self, table: str, row: Any, names: Iterable[str]) -> bool:
        """Write new values into a row, and return whether it was there."""
        known = self.app.code.forms[table]
        forms, values = self._write({name: known[name] for name in names if name in known})
        columns = {column: value for form in forms.values() for column, value in form.columns.items()}
        if not columns:
            return False
        assignments = ", ".join(f'"{column}" = {value}' for column, value in columns.items())
        statement = f"UPDATE {self.app.code.names[table]} SET {assignments} WHERE id = %(id)s RETURNING id"
        if not self.execute(f"update {table}", statement, id=row, **values):
            return False
        self._aside(row, forms, values)
        self.note(table, row, values)
        return True

    def delete(self, table: str, row: Any, key: str = "id") -> None:
        """Delete a row, or those whose `key` is `row`."""
        name = self.app.code.names[table]
        for (id_,) in self.execute(
            f"delete {table}", f"DELETE FROM {name} WHERE {key} = %(row)s RETURNING id", row=row
        ):
            self.note(table, id_, {ROW: False})

    def _write(self, known: dict[str, list[Form]]) -> tuple[dict[str, Form], dict[str, Any]]:
        # The old version of the code knows all old forms, the new one all new ones.
        forms = {name: each[int(self._version * len(each))] for name, each in known.items()}
        return forms, {name: self.app.value(name) for name in forms}

    def _aside(self, row: Any, forms: dict[str, Form], values: dict[str, Any]) -> None:
        for name, form in forms.items():
            if form.aside:
                self.execute(f"upsert {name}", form.aside, id=row, **values)

    def note(self, table: str, row: Any, values: dict[str, Any]) -> None:
        self.changes += [self.app.ledger.change(table, row, name, value) for name, value in values.items()]


def sign_up(t: Transaction) -> None:
    """users, then what they own."""
    user = t.insert("users", {})
    if "webhooks" in t.app.code.names:
        for _ in range(2):
            webhook = t.insert("webhooks", {"user_id": user})
            t.app.ledger.belongs("webhooks", webhook, ("users", user))
    log_action(t, user)


def log_action(t: Transaction, user: Any) -> None:
    if "audit_logs" in t.app.code.names:
        log = t.insert("audit_logs", {"user_id": user})
        if not t.app.code.may_be_null("audit_logs", "user_id"):
            t.app.ledger.belongs("audit_logs", log, ("users", user))


def upload(t: Transaction) -> None:
    """A document, then its pages."""
    user = t.app.one("users")
    if not t.lock("users", user, "KEY SHARE"):
        return
    category = t.app.one("categories")
    found = t.lock("categories", category, "KEY SHARE") if category else []
    document = t.insert("documents", {"user_id": user, "category_id": found[0] if found else None})
    t.app.ledger.belongs("documents", document, ("users", user))
    for _ in range(2):
        page = t.insert("pages", {"document_id": document})
        t.app.ledger.belongs("pages", page, ("documents", document))


def edit_user(t: Transaction) -> None:
    """The address, which is a key, and what moves between columns and tables."""
    t.update(
        "users", t.app.one("users"), ["email", t.app.random.choice(["name", "password", "username", "phone"])]
    )


def edit_document(t: Transaction) -> None:
    """SELECT … FOR UPDATE, then the edit."""
    document = t.app.one("documents")
    if t.lock("documents", document):
        t.update("documents", document, t.app.random.sample(sorted(t.app.code.forms["documents"]), 3))


def edit_two(t: Transaction) -> None:
    """Two rows, in the order of their ids."""
    table = t.app.random.choice(["users", "documents"])
    names = ["email", "phone"] if table == "users" else ["title", "file_size"]
    for row in sorted({t.app.one(table), t.app.one(table)} - {None}):
        t.update(table, row, names)


def move_page(t: Transaction) -> None:
    """The key of a page, its document locked first."""
    page = t.app.one("pages")
    name = t.app.code.names["pages"]
    of = t.execute("select pages", f"SELECT document_id FROM {name} WHERE id = %(id)s", id=page)
    if of and t.lock("documents", of[0][0], "NO KEY UPDATE"):
        t.update("pages", page, ["page_number", "text"])


def rename_category(t: Transaction) -> None:
    t.update("categories", t.app.one("categories"), ["name"])


def add_note(t: Transaction) -> None:
    t.insert("page_notes", {}, given="")


def edit_note(t: Transaction) -> None:
    t.update("page_notes", t.app.one("page_notes"), ["note"])


def add_category(t: Transaction) -> None:
    t.insert("categories", {}, given="")


def switch_webhooks(t: Transaction) -> None:
    """Of two webhooks one is on: the one goes off, the other on."""
    user = t.app.one("users")
    pair = t.lock("webhooks", user, "NO KEY UPDATE", "user_id") if user else []
    if len(pair) == 2 and user in t.app.new["users"]:
        t.app.random.shuffle(pair)
        url = t.app.value("url")
        set_active = "UPDATE webhooks SET is_active = %(on)s, url = %(url)s WHERE id = %(id)s"
        for on, webhook in zip([False, True], pair, strict=True):
            t.execute("switch webhooks", set_active, on=on, url=url, id=webhook)
            t.note("webhooks", webhook, {"url": url})
        t.app.ledger.pairs.add((min(pair), max(pair)))


def deliver(t: Transaction) -> None:
    """A webhook, then its delivery: of today, or late."""
    webhook = t.app.one("webhooks")
    if webhook and t.lock("webhooks", webhook, "KEY SHARE"):
        moment = t.app.random.choice(["2025-02-11 12:00+00", "2026-11-11 12:00+00"])
        delivery = t.insert("webhook_deliveries", {"webhook_id": webhook}, delivered_at=moment)
        t.app.ledger.belongs("webhook_deliveries", delivery, ("webhooks", webhook))


def read_list(t: Transaction) -> None:
    """A user's documents with their pages: parents first, and no write."""
    names = t.app.code.names
    t.execute("select users", "SELECT id FROM users WHERE id = %(id)s", id=t.app.one("users"))
    t.execute(
        "select documents",
        f"SELECT d.id, p.id FROM documents d LEFT JOIN {names['pages']} p ON document_id = d.id "
        "WHERE user_id = %(id)s ORDER BY d.created_at LIMIT 20",
        id=t.app.one("users"),
    )


def assign_role(t: Transaction) -> None:
    """A role, then the user who gets it."""
    if t.app.code.has("users", "role_id"):
        [[role]] = t.execute("lock roles", "SELECT id FROM roles WHERE name = 'reviewer' FOR KEY SHARE")
        t.execute(
            "assign role",
            "UPDATE users SET role_id = %(role)s WHERE id = %(id)s",
            role=role,
            id=t.app.one("users"),
        )


def export(t: Transaction) -> None:
    t.insert("legacy_exports", {"document_id": t.app.one("documents")}, given="")


def delete_document(t: Transaction) -> None:
    """With its pages, by ON DELETE CASCADE."""
    if t.app.new["documents"]:
        document = t.app.random.choice(t.app.new["documents"])
        if t.lock("documents", document):
            t.lock("pages", document, key="document_id")
            t.delete("documents", document)


def delete_user(t: Transaction) -> None:
    """With all they own, by ON DELETE CASCADE; locked before, in the order of their ids."""
    if not t.app.new["users"]:
        return
    user = t.app.random.choice(t.app.new["users"])
    if t.lock("users", user):
        for document in t.lock("documents", user, key="user_id"):
            t.lock("pages", document, key="document_id")
        if "webhooks" in t.app.code.names:
            t.lock("webhooks", user, key="user_id")
        if "audit_logs" in t.app.code.names and not t.app.code.may_be_null("audit_logs", "user_id"):
            t.delete("audit_logs", user, "user_id")
        t.delete("users", user)


# Each with the tables that it needs; what stands twice is done twice as often.
TRANSACTIONS: list[tuple[Callable[[Transaction], None], list[str]]] = [
    (sign_up, ["users"]),
    (upload, ["documents", "pages"]),
    (edit_user, ["users"]),
    (edit_user, ["users"]),
    (edit_document, ["documents"]),
    (edit_document, ["documents"]),
    (edit_two, ["users", "documents"]),
    (move_page, ["pages"]),
    (rename_category, ["categories"]),
    (add_category, ["categories"]),
    (add_note, ["page_notes"]),
    (edit_note, ["page_notes"]),
    (switch_webhooks, ["webhooks"]),
    (deliver, ["webhook_deliveries"]),
    (read_list, ["documents", "pages"]),
    (read_list, ["documents", "pages"]),
    (assign_role, ["users"]),
    (export, ["legacy_exports"]),
    (delete_document, ["documents"]),
    (delete_user, ["users"]),
]
