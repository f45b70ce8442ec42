"""What there is to see: six scenarios of the chain, and in plain words what happens in each."""

from dataclasses import dataclass
from hashlib import md5
from uuid import UUID

from models.sample import row_id


@dataclass(frozen=True)
class Chapter:
    """One scenario.

    Attributes:
        slug: the revision that the naive way takes the place of; it names the chapter.
        title: what it is about.
        wish: what one wants to do, and what is in the way.
        naive: what the naive way does, and why it hurts.
        right: what the right way does.
        table: the one that gets all the rows.
        columns: those to be shown of it, before and after, where they are there.
        shown: the ids of the rows to be shown, which the application leaves alone.
        steps: the revisions that the right way goes to, one command for each.
        limit: the lock_timeout of the right way, where it is not the guard's own.
        report: somebody has left a transaction open that has read the table.
        deploys: after the first step new code runs beside the old one.
        killed: the migration is ended in the middle, and run again.
        rows_since: the revision before which the rows come into the tables, where it is another one.
        asked: a query about the whole table, and what it says.
    """

    slug: str
    title: str
    wish: str
    naive: str
    right: str
    table: str
    columns: tuple[str, ...]
    shown: tuple[object, ...]
    steps: tuple[str, ...]
    limit: str | None = None
    report: bool = False
    deploys: bool = False
    killed: bool = False
    rows_since: str | None = None
    asked: tuple[str, str] | None = None

    @property
    def since(self) -> str:
        """The revision before which the rows come into the tables."""
        return self.rows_since or self.slug


USERS = tuple(row_id("user", number) for number in (2, 3, 4))
DOCUMENTS = tuple(UUID(md5(b"document %d" % number, usedforsecurity=False).hexdigest()) for number in (7, 8))

CHAPTERS = (
    Chapter(
        slug="add_user_phone",
        title="A lock has a queue",
        wish="A column is added that may be NULL. That changes the catalogue only and reads no row. But "
        "ALTER TABLE needs AccessExclusiveLock, and a report has left a transaction open that has read "
        "the table.",
        naive="Without a limit ALTER TABLE waits until the report ends. Every statement that comes later "
        "queues behind ALTER TABLE, a SELECT too. So the whole application stands still, for a statement "
        "that takes no time.",
        right="The guard gives up when lock_timeout is over, lets the queue through, and tries again "
        "after a pause. Nobody waits for longer than lock_timeout. When the report has ended, the next "
        "try gets the lock.",
        table="users",
        columns=("email", "is_active", "phone"),
        shown=USERS,
        steps=("add_user_phone",),
        limit="300ms",
        report=True,
    ),
    Chapter(
        slug="index_document_tags",
        title="An index on a big live table",
        wish="A search by tag reads the whole table. It needs an index.",
        naive="CREATE INDEX takes ShareLock until the index is built. Reads go on, but every INSERT, "
        "UPDATE and DELETE waits. The larger the table, the longer.",
        right="CREATE INDEX CONCURRENTLY reads the table twice and takes longer, and no reader and no "
        "writer waits. When it is ended half-way, it leaves an INVALID index: the revision clears that "
        "away when it runs again.",
        table="documents",
        columns=("name", "tags"),
        shown=(*DOCUMENTS, row_id("document", 20)),
        steps=("index_document_tags",),
        asked=(
            "a search by tag",
            "EXPLAIN (COSTS OFF) SELECT * FROM documents WHERE tags @> ARRAY['tax', '2023']",
        ),
    ),
    Chapter(
        slug="require_user_username",
        title="NOT NULL on a column of a big live table",
        wish="Every user has a username. From now on the table shall insist on it.",
        naive="SET NOT NULL reads the whole table under AccessExclusiveLock. Nobody reads or writes it "
        "meanwhile. The larger the table, the longer.",
        right="A CHECK that is NOT VALID holds for new rows and reads none. VALIDATE reads the old ones "
        "under a lock that stops nobody. Then SET NOT NULL believes the CHECK and reads nothing.",
        table="users",
        columns=("email", "username"),
        shown=USERS,
        steps=("require_user_username",),
    ),
    Chapter(
        slug="expand_document_file_size",
        title="An integer that becomes a bigint",
        wish="A file may be larger than an integer can say. The column has to become a bigint.",
        naive="The two types are stored with different widths. So ALTER COLUMN … TYPE writes every row "
        "and every index anew under AccessExclusiveLock, and nobody reads or writes the table meanwhile.",
        right="A second column of the new type is added beside the first, and a trigger keeps it in step. "
        "Batches fill the rows that were there. At the end the columns change places, in one moment.",
        table="documents",
        columns=("title", "file_size"),
        shown=(*DOCUMENTS, row_id("document", 14)),
        steps=("contract_document_file_size",),
    ),
    Chapter(
        slug="assign_user_roles",
        title="A backfill that is killed, and goes on",
        wish="Users get a role. The column is there, and is still NULL in every row.",
        naive="One UPDATE locks each row that it has changed until the last one is done. A session that "
        "writes one of them waits for the end; of two that wait for each other one fails (a deadlock). "
        "When the UPDATE is killed, all its work is lost, and the space that it took stays.",
        right="Each batch takes some rows by their key, and commits. A writer waits for one batch at "
        "most. When the backfill is killed, what is filled stays filled. The same command goes on with "
        "the rest.",
        table="users",
        columns=("email", "role_id"),
        shown=USERS,
        steps=("assign_user_roles",),
        rows_since="create_roles",
        killed=True,
        asked=(
            "of the users that were there, with a role",
            "SELECT format('%s of %s', count(role_id), count(*)) FROM users WHERE created_at < '2025-01-01'",
        ),
    ),
    Chapter(
        slug="add_user_name_parts",
        title="Old and new code side by side",
        wish="A name is to be split into first and last name. A deploy replaces one instance after the "
        "other: for a while old code, which knows full_name, runs beside new code, which knows the parts.",
        naive="One revision adds the parts, fills them and drops full_name. While it fills, nobody reads "
        "or writes the table. Then every statement of old code that names full_name fails.",
        right="The first revision adds the parts and a trigger, which gives each version of the code what "
        "the other one writes. Batches fill the rows that were there. full_name goes later, with the last "
        "instance of old code.",
        table="users",
        columns=("full_name", "first_name", "last_name"),
        shown=USERS,
        steps=("add_user_name_parts", "backfill_user_name_parts"),
        deploys=True,
    ),
)
