"""Alembic's own table, by another name and in another schema: every command reads where the ini file says."""

import json
import shutil
from pathlib import Path

import pytest

from database import ROOT
from tests.machinery.production import Site, site
from tests.machinery.support import Chain, Database, process, program

TABLE, SCHEMA = 'The "versions".of it', "Books"
NAMED = f"version_table = {TABLE}\nversion_table_schema = {SCHEMA}\n"
CHAIN = ("CREATE TABLE t (n integer)", "ALTER TABLE t ADD COLUMN m integer")


def named(ini: Path) -> Path:
    """Have an ini file name the table."""
    ini.write_text(ini.read_text().replace("[alembic]\n", f"[alembic]\n{NAMED}"))
    return ini


@pytest.fixture
def made(empty: Database, chain: Chain) -> Site:
    """A site with such a table, in a database that also has one by the usual name, of another project."""
    empty.psql(f'CREATE SCHEMA "{SCHEMA}"; CREATE TABLE alembic_version (version_num varchar(32));')
    empty.execute("INSERT INTO alembic_version VALUES ('theirs')")
    ini = chain(*CHAIN)
    for revision in (ini.parent / "versions").iterdir():
        revision.write_text(revision.read_text().replace("    pass", "    op.execute('SELECT 1')"))
    made = site(empty, named(ini))
    named(made.ini)
    return made


def test_every_command_reads_it(made: Site) -> None:
    config = ("--config", str(made.ini))
    code, output = made.deploy("--to", "r0")  # with a backup, which it reads back, of no revision yet
    assert code == 0, output
    code, output = made.deploy()
    assert code == 0, output
    assert "at r0, read to the end" in output
    assert made.migrate("status", *config) == (0, "at head: the database is at r1\nto do: nothing\n")
    _, listed = made.migrate("history", "--json", *config)
    assert [row["revision"] for row in json.loads(listed)] == ["r0", "r1"]
    _, snapshot = made.migrate("snapshot", *config)
    assert json.loads(snapshot)["revisions"] == ["r1"]
    assert made.migrate("check", *config)[0] == 0
    code, output = made.migrate("rollback", *config, "--to", "r0", "--yes")
    assert code == 0, output
    assert made.database.heads() == ["theirs"]
    place = f'"{SCHEMA}"."{TABLE.replace(chr(34), chr(34) * 2)}"'
    assert made.database.column(f"SELECT version_num FROM {place}") == ["r0"]
    script = program("alembic", "-c", str(made.ini), "current", url=made.database.url)
    assert script.returncode == 0, script.stderr


def test_env_py_cannot_name_another(chain: Chain, empty: Database, tmp_path: Path) -> None:
    ini = chain(*CHAIN)
    shutil.copytree(ROOT / "alembic", tmp_path / "alembic")
    env = tmp_path / "alembic/env.py"
    text = env.read_text().replace("OPTIONS: dict[str, Any] = {", 'OPTIONS = {"version_table": "mine",')
    env.write_text(text.replace("named_by, **OPTIONS", 'named_by, version_table_schema="x", **OPTIONS'))
    ini.write_text(ini.read_text().replace(f"{ROOT}/alembic", f"{tmp_path}/alembic"))
    for arguments in (["upgrade", "head"], ["upgrade", "head", "--sql"], ["current"]):
        done = process("alembic", "-c", str(ini), *arguments, url=empty.url)
        assert done.returncode
        assert done.stderr.splitlines()[-1].endswith(
            "env.py gives version_table = mine, and other commands would read another table: write it into "
            "the section [alembic] of each ini file, and take it out of env.py"
        )
    assert empty.tables() == []
