"""One clear line for what a user can do something about."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic.script.revision import RevisionError
from alembic.util import CommandError

from database import DatabaseURLError


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn what a user can mend into Alembic's `CommandError`: one line, no traceback.

    `alembic --raiseerr` still shows the traceback, causes included.
    """
    try:
        yield
    except DatabaseURLError as error:
        raise CommandError(str(error)) from error
    except KeyboardInterrupt as error:
        raise CommandError("stopped on request") from error
    except CommandError as error:
        if isinstance(error.__cause__, RevisionError):
            raise CommandError(f"{error} (alembic history lists the known revisions)") from error
        raise
