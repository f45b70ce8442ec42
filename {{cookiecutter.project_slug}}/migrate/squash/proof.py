"""The proof that one revision builds what the chain builds."""

import difflib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, NullPool, text
from sqlalchemy.exc import DBAPIError

from database import make_engine
from migrate.run.connection import connect
from migrate.run.failures import one_line
from migrate.run.versions import of_scratch
from migrate.squash.dump import Dump, dump
from migrate.squash.errors import SquashError
from migrate.squash.plan import Plan
from migrate.squash.write import source, sure, tidy
from migrate.target import scratch_server
from postgres.errors import ClientError
from postgres.scratch import scratch_database

# Objects that pg_dump leaves out, or that a revision cannot hold.
LEFT_OUT = {
    "the index {} is INVALID": """
        SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE NOT (indisvalid AND indisready) AND relkind = 'i'
    """,
    "there is the large object {}": "SELECT oid::text FROM pg_largeobject_metadata",
}
PRIVILEGE = re.compile(r"GRANT |REVOKE |ALTER DEFAULT PRIVILEGES ")
DIFF_LINES = 40


def prove(config: Callable[[], Config], plan: Plan) -> str:
    """Return the text of the new revision, proven on scratch databases.

    It builds, from nothing, a database with the same dump as the old files do. Its downgrade leaves
    nothing. After that it builds the same once more.

    Args:
        config: returns a configuration of Alembic, with the chain.
        plan: the plan of the squash.

    Raises:
        SquashError: a dump does not have all that the chain builds, or the proof failed.
        CommandError: the server cannot be reached, or the chain does not run on an empty
            database.
    """
    server = scratch_server()
    with connect(make_engine(server, poolclass=NullPool)):
        pass  # the server can be reached, and is neither too old nor a pooler
    with _scratch(server) as url:
        _upgrade(config(), url, plan.last.id)
        _refuse_what_is_left_out(url)
        wanted = dump(url)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, plan.path.name)
        failure: CommandError
        for revision in plan.later:
            shutil.copy(revision.path, folder)
        # The readable form is wrong for a few schemas. For those, pg_dump's own form is right.
        for attempt in (tidy(wanted), sure(wanted)):
            text = source(attempt, doc=plan.doc, revision=plan.last.id, branch_labels=plan.labels())
            path.write_text(text, encoding="utf-8", newline="\n")
            try:
                _try(config(), server, folder, plan, wanted)
                return text
            except CommandError as error:
                failure = error
    raise failure


def _try(config: Config, server: URL, folder: str, plan: Plan, wanted: Dump) -> None:
    """Run the revision in a folder up, down and up again.

    Raises:
        SquashError: it does not build the wanted dump, or its downgrade leaves something.
    """
    config.set_main_option("version_locations", folder.replace("%", "%%"))
    with _scratch(server) as url:
        try:
            for _ in range(2):
                _upgrade(config, url, plan.last.id)
                if difference := _difference(wanted.create, dump(url).create):
                    raise SquashError(f"the baseline does not build what the chain does:\n{difference}")
                command.downgrade(config, "base")
                rest = [statement for statement in dump(url).create if not PRIVILEGE.match(statement)]
                if rest:
                    raise SquashError(f"the baseline's downgrade leaves something behind: {rest[0]}")
        except SquashError:
            raise
        except CommandError as error:
            raise SquashError(f"the baseline does not run: {error}") from error


def _upgrade(config: Config, url: URL, revision: str) -> None:
    config.attributes["connection"] = make_engine(url, poolclass=NullPool)
    command.upgrade(of_scratch(config), revision)


@contextmanager
def _scratch(server: URL) -> Iterator[URL]:
    try:
        with scratch_database(server) as url:
            yield url
    except DBAPIError as error:
        raise SquashError(f"a scratch database on {server.host} failed: {one_line(error)}") from error
    except ClientError as error:
        raise SquashError(str(error)) from error


def _refuse_what_is_left_out(url: URL) -> None:
    with make_engine(url, poolclass=NullPool).connect() as connection:
        for complaint, query in LEFT_OUT.items():
            if found := connection.scalars(text(query)).first():
                raise SquashError(
                    f"{complaint.format(found)} when the chain has run: pg_dump does not show it as it is; "
                    "have a revision mend that, and squash to it"
                )


def _difference(chain: list[str], baseline: list[str]) -> str:
    lines = list(difflib.unified_diff(_lines(chain), _lines(baseline), "chain", "baseline", n=2, lineterm=""))
    more = [f"… {len(lines) - DIFF_LINES} lines more"] if len(lines) > DIFF_LINES else []
    return "\n".join(lines[:DIFF_LINES] + more)


def _lines(statements: list[str]) -> list[str]:
    return "\n".join(f"{statement};" for statement in statements).split("\n") if statements else []
