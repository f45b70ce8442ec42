"""One clear line for what a user can do something about.

What `migrate` raises for a user is Alembic's `CommandError`, or a subclass of it: the command
`alembic` prints it as one line, and so does `python -m migrate`.
"""

import os
import sys
from collections.abc import Iterator
from configparser import InterpolationError
from contextlib import contextmanager

from alembic.script.revision import RevisionError
from alembic.util import CommandError

from migrate.run.failures import one_line
from postgres.errors import PostgresError

# What a shell says of a program that SIGPIPE ended.
READER_IS_GONE = 141


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn what a user can mend into Alembic's `CommandError`: one line, no traceback.

    `alembic --raiseerr` still shows the traceback, causes included. Where a reader of
    what is printed has seen enough (`| head`), the program ends without a word.
    """
    try:
        yield
        if sys.stdout:
            sys.stdout.flush()
    except BrokenPipeError:
        # Python would flush once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(READER_IS_GONE)
    except InterpolationError as error:
        raise CommandError(
            "a % of the ini file is written %%; where it is in the path of its folder, Alembic "
            "cannot read the file: rename the folder"
        ) from error
    except PostgresError as error:
        raise CommandError(str(error)) from error
    except KeyboardInterrupt as error:
        raise CommandError("stopped on request") from error
    except SystemExit as error:
        # By a revision, or by what it imports. With 0 it would pass for a success.
        raise CommandError(one_line(error)) from error
    except CommandError as error:
        if isinstance(error.__cause__, RevisionError):
            raise CommandError(f"{error} (alembic history lists the known revisions)") from error
        raise
