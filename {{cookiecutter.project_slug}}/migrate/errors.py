"""One clear line for each error that a user can repair.

For such an error `migrate` raises Alembic's `CommandError`, or a subclass of it: `alembic` and
`python -m migrate` print it as one line.
"""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from migrate.run.failures import advice, one_line
from postgres.errors import PostgresError

# The exit code that a shell gives for a program that SIGPIPE ended.
READER_IS_GONE = 141

# Errors of writing, to standard output or a file. One without a name is of no file that was to be opened.
NO_ROOM = {errno.ENOSPC, errno.EFBIG, errno.EIO, getattr(errno, "EDQUOT", None)}


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn an error that a user can repair into Alembic's `CommandError`: one line, no traceback.

    `alembic --raiseerr` still shows the traceback, with its causes. If the reader of the output has
    ended (`| head`), the program ends silently.
    """
    try:
        yield
        if sys.stdout:
            sys.stdout.flush()
    except BrokenPipeError:
        forget_output()
        sys.exit(READER_IS_GONE)
    except OSError as error:
        if error.filename or error.errno not in NO_ROOM:
            raise
        forget_output()
        raise CommandError(f"the output cannot be written: {error.strerror}") from error
    except PostgresError as error:
        raise CommandError(str(error)) from error
    except DBAPIError as error:
        raise CommandError(f"{one_line(error)}{advice(error)}") from error
    except KeyboardInterrupt as error:
        raise CommandError("stopped on request") from error
    except SystemExit as error:
        # Raised by a revision, or by a module that it imports. sys.exit(0) would look like a success.
        raise CommandError(one_line(error)) from error
    except CommandError as error:
        if isinstance(error.__cause__, RevisionError):
            raise CommandError(f"{error} (alembic history lists the known revisions)") from error
        raise


def forget_output() -> None:
    """Drop what standard output does not take: Python would flush once more when it exits, and fail."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
