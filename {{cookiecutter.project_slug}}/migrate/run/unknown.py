"""A database at a revision that has no file."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError, DatabaseNotAtHead
from sqlalchemy.exc import SQLAlchemyError


def refuse_unknown(scripts: ScriptDirectory, heads: Iterable[str]) -> None:
    """Refuse a database whose revision has no file.

    Args:
        scripts: the files.
        heads: the revisions that the database is at.

    Raises:
        CommandError: one has no file; the message says what that means and what to do.
    """
    for head in heads:
        try:
            scripts.get_revision(head)
        except CommandError as error:
            raise CommandError(
                f"the database is at {head}, and no file here has that revision: newer code has migrated "
                "the database, or the file was deleted or is on another branch, or another project uses the "
                "same table (then name one of your own: version_table in the ini files). In development, "
                f"get the file back (git log --all -S{head} finds it), or downgrade where it is; alembic "
                "stamp --purge REV changes no table, only which revision the database is said to be at. In "
                "production, deploy the code that has the file, and never stamp"
            ) from error


@contextmanager
def unknown_is_explained(migration: MigrationContext) -> Iterator[None]:
    """Explain the error of a command that meets such a revision.

    Raises:
        CommandError: that of `refuse_unknown`, else the command's own.
    """
    try:
        yield
    except CommandError as error:
        if isinstance(error, DatabaseNotAtHead) or isinstance(error.__cause__, RevisionError):
            with suppress(SQLAlchemyError):
                assert migration.script is not None
                refuse_unknown(migration.script, migration.get_current_heads())
        raise
