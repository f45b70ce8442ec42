"""The command `alembic`, which also tells on standard output which statements its revisions run.

    python -m lab.tour.migration upgrade head

One line of JSON when a statement begins, and one when it has ended.
"""

import json
import sys
import time
from typing import Any

from alembic.config import main
from sqlalchemy import Connection, Engine, ExceptionContext, event

from migrate.run import progress

progress.LINE_SECONDS = 0.2  # between two lines in a log: here they are a picture that moves


def in_revision() -> bool:
    """Whether it is a file of the chain that has led to here, and not the guard or Alembic itself."""
    frame = sys._getframe()
    while frame.f_back:
        frame = frame.f_back
        if "/alembic/versions/" in frame.f_code.co_filename.replace("\\", "/"):
            return True
    return False


def tell(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def begins(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
    if in_revision():
        driver: Any = connection.connection.driver_connection
        connection.info["told"] = statement, time.monotonic()
        tell(pid=driver.info.backend_pid, sql=statement)


def ended(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
    told, begun = connection.info.pop("told", ("", 0.0))
    if told == statement:
        tell(seconds=time.monotonic() - begun)


def failed(context: ExceptionContext) -> None:
    if context.connection and context.connection.info.pop("told", None):
        tell(seconds=None)


if __name__ == "__main__":
    event.listen(Engine, "before_cursor_execute", begins)
    event.listen(Engine, "after_cursor_execute", ended)
    event.listen(Engine, "handle_error", failed)
    main(prog="alembic")
