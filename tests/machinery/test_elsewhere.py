"""The guard in a project of `alembic init` or Flask-Migrate: copied, and three lines changed in env.py."""

import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from database import ROOT
from tests.machinery.support import Database, environment, wait_for

# What docs/PROGRAMS.md says: the import, and what takes the place of these in the three templates.
IMPORTED, *NEW = re.findall(
    r"^```python\n(.*?)^```",
    (ROOT / "docs/PROGRAMS.md").read_text(encoding="utf-8").split("## The guard in another project")[1],
    re.MULTILINE | re.DOTALL,
)
OLD = {
    "generic": """\
    with connectable.connect() as connection:
        context.configure(
            connection=connection, target_metadata=target_metadata
        )

        with context.begin_transaction():
            context.run_migrations()
""",
    "async": "    asyncio.run(run_async_migrations())\n",
    "flask": """\
    with connectable.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=get_metadata(),
            **conf_args
        )

        with context.begin_transaction():
            context.run_migrations()
""",
}
APPLICATION = """
import os
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["APPLICATION_URL"]
migrate = Migrate(app, SQLAlchemy(app))
"""
IMPORT = "from alembic import context\n"
REVISION = '''"""Say {slug}."""

from alembic import op

revision = "{slug}"
down_revision = {down!r}


def upgrade() -> None:
    op.execute("""{sql}""")


def downgrade() -> None:
    pass
'''

Alembic = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(params=OLD)
def alembic(request: pytest.FixtureRequest, tmp_path: Path, empty: Database) -> Alembic:
    """The command `alembic`, or `flask db`, in such a project, whose chain takes some seconds."""
    flask = request.param == "flask"
    url = empty.url.render_as_string(hide_password=False)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    environ = environment(empty.url) | {"PYTHONPATH": path, "APPLICATION_URL": url}
    if flask:
        (tmp_path / "app.py").write_text(APPLICATION)
    program = [sys.executable, "-m", *(("flask", "db") if flask else ("alembic",))]
    init = ["init"] if flask else ["init", "-t", request.param, "alembic"]
    subprocess.run([*program, *init], cwd=tmp_path, env=environ, check=True, capture_output=True)
    folder = tmp_path / ("migrations" if flask else "alembic")
    shutil.copytree(ROOT / "migrate/run", tmp_path / "migrate/run")
    for name in ("__init__.py", "alembic_internals.py"):
        shutil.copy(ROOT / "migrate" / name, tmp_path / "migrate")
    env = folder / "env.py"
    text = env.read_text()
    new = textwrap.indent(dict(zip(OLD, NEW, strict=True))[request.param], "    ")
    for old, line in ((IMPORT, IMPORT + IMPORTED), (OLD[request.param], new)):
        assert old in text
        text = text.replace(old, line, 1)
    env.write_text(text)
    ini = (folder if flask else tmp_path) / "alembic.ini"
    settings = re.sub(
        "level = WARN(ING)?\nhandlers = console", "level = INFO\nhandlers = console", ini.read_text()
    )
    line = f"sqlalchemy.url = {url.replace('%', '%%')}"
    ini.write_text(re.sub(r"^sqlalchemy.url = .*$", lambda _: line, settings, flags=re.M))
    chain = ("CREATE TABLE t (n integer)", "SELECT pg_sleep(1)", "INSERT INTO t VALUES (1)")
    for number, sql in enumerate(chain):
        down = f"r{number - 1}" if number else None
        (folder / f"versions/r{number}.py").write_text(REVISION.format(slug=f"r{number}", down=down, sql=sql))

    def start(*arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*program, *arguments], cwd=tmp_path, env=environ,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    return start


@pytest.mark.slow
def test_of_ten_at_once_one_works_and_all_succeed(alembic: Alembic, empty: Database) -> None:
    runs = [alembic("upgrade", "head") for _ in range(10)]
    said = [each.communicate(timeout=120)[0] for each in runs]
    assert [each.returncode for each in runs] == [0] * 10, "\n".join(said)
    assert sum("Running upgrade" in each for each in said) == 1
    assert empty.column("SELECT n FROM t") == [1]
    assert empty.column("SELECT revision FROM migrate_history ORDER BY began") == ["r0", "r1", "r2"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name
)
def test_what_is_broken_off_goes_on(number: signal.Signals, alembic: Alembic, empty: Database) -> None:
    run = alembic("upgrade", "head")
    asleep = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    wait_for(lambda: bool(empty.query(asleep)))
    os.kill(run.pid, number)
    said, _ = run.communicate(timeout=60)
    assert run.returncode != 0
    assert "Traceback" not in said
    if number != signal.SIGKILL:
        assert "stopped on request: " in said
    again = alembic("upgrade", "head")
    said, _ = again.communicate(timeout=60)
    assert again.returncode == 0, said
    assert empty.column("SELECT n FROM t") == [1]
