"""Squash, on chains that hold what PostgreSQL has to offer."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

from database import ROOT
from migrate.squash import SquashError, files, proof, squash
from migrate.squash.dump import Dump, split, statements
from migrate.squash.plan import make_plan
from migrate.squash.write import BIND, source, tidy
from postgres import client
from postgres.schema import WITHOUT_BOOKS
from tests.machinery.support import Database, Server, closed_port, process

# What people have in their chains: the name of a revision, and its statements.
CHAIN = dict(
    part.split("\n", 1)
    for part in Path(__file__).with_name("squash.sql").read_text(encoding="utf-8").split("-- == ")[1:]
)
SHORT = {"one": "CREATE TABLE one (id integer)", "two": "CREATE TABLE two (id integer)"}


class Project:
    """A chain of its own, in a folder that git may know."""

    def __init__(self, ini: Path) -> None:
        self.ini = ini
        self.versions = ini.parent / "versions"
        self.last: str | None = None

    def config(self) -> Config:
        return Config(self.ini)

    def add(self, id_: str, sql: str, *, after: str | tuple[str, ...] | None = None, **names: object) -> None:
        """Write a revision that runs the statements as they are; by default after the last one."""
        number = len(list(self.versions.glob("*.py")))
        date = f"2024-03-01 09:{number:02}:00.000000+00:00"
        down = self.last if after is None else after or None
        extra = "".join(f"{name} = {value!r}\n" for name, value in names.items())
        path = self.versions / f"20240301_09{number:02}_{id_}.py"
        path.write_text(
            f'"""{id_}.\n\nRevision ID: {id_}\nCreate Date: {date}\n"""\n\n'
            f"import sqlalchemy as sa\nfrom alembic import op\n\n"
            f"revision = {id_!r}\ndown_revision = {down!r}\n{extra}\n\ndef upgrade():\n"
            f"    for statement in {list(split(sql + ';'))!r}:\n"
            "        if statement:\n            op.execute(sa.DDL(statement.replace('%', '%%')))\n\n\n"
            "def downgrade():\n    pass\n"
        )
        self.last = id_

    def names(self) -> list[str]:
        return sorted(path.name for path in self.versions.glob("*.py"))

    def contents(self) -> dict[Path, bytes]:
        """Return every file there is."""
        files = [path for path in self.ini.parent.rglob("*") if path.is_file()]
        return {path: path.read_bytes() for path in files if not {".git", "__pycache__"} & {*path.parts}}

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *arguments], cwd=self.ini.parent, check=True, capture_output=True)

    def commit(self) -> None:
        self.git("init", "-q")
        self.git("add", "-A")
        self.git("commit", "-q", "--no-verify", "-m", "chain")

    def squash(self, to: str = "head", *, dry_run: bool = False) -> list[str]:
        """Squash, and return what it said."""
        said: list[str] = []
        squash(self.config, to, dry_run=dry_run, say=said.append)
        return said

    def upgrade(self, database: Database, to: str = "head") -> None:
        config = self.config()
        config.attributes["connection"] = database.engine
        command.upgrade(config, to)

    def downgrade(self, database: Database) -> None:
        config = self.config()
        config.attributes["connection"] = database.engine
        command.downgrade(config, "base")

    def run_offline(self, database: Database, direction: str = "upgrade") -> None:
        """Run what Alembic writes in offline mode."""
        path = self.ini.with_name("offline.sql")
        way = "head" if direction == "upgrade" else "head:base"
        with path.open("wb") as file:
            command_line = [sys.executable, "-m", "alembic", "-c", str(self.ini), direction, way, "--sql"]
            subprocess.run(command_line, cwd=ROOT, stdout=file, stderr=subprocess.PIPE, check=True)
        client.output(
            "psql", database.url, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={path}"
        )


@pytest.fixture
def project(chain: Callable[..., Path]) -> Project:
    return Project(chain())


@pytest.fixture
def short(project: Project) -> Project:
    """Two revisions, committed."""
    for id_, sql in SHORT.items():
        project.add(id_, sql)
    project.commit()
    return project


def everything(database: Database) -> list[str]:
    """Return what pg_dump prints, rows and privileges included, less names that no one has chosen."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "dump.sql")
        options = ("--no-owner", "--inserts", *WITHOUT_BOOKS, f"--file={path}")
        client.output("pg_dump", database.url, *options)
        printed = path.read_bytes().decode()
    printed = re.sub(r" CONSTRAINT \w+_not_null\d* NOT NULL", " NOT NULL", printed)
    printed = re.sub(r"pg_attver=\d+(, )?", "", printed)  # a counter of PostgreSQL 15.20
    return [
        line
        for line in printed.split("\n")
        if line and not line.startswith("\\") and not line.endswith(" SET ();")
    ]


def test_it_builds_the_same_whatever_there_is(project: Project, server: Server) -> None:
    for id_, sql in CHAIN.items():
        project.add(id_, sql)
    project.commit()
    old, stamped = server.create(), server.create()
    project.upgrade(old)
    project.upgrade(stamped, "rest")
    assert old.value("SELECT count(*) FROM a") == 250

    said = project.squash("rest")

    assert project.names() == ["20240301_0904_baseline.py", "20240301_0905_later.py"]
    assert "one revision builds the same" in "\n".join(said)
    new, offline = server.create(), server.create()
    project.upgrade(new)
    assert everything(new) == everything(old)
    project.run_offline(offline)
    # Alembic makes four blanks of a tab in a function's body; there is none here.
    assert everything(offline) == everything(old)
    # One that had been there before the squash, and now only has the later ones to run.
    project.upgrade(stamped)
    assert everything(stamped) == everything(old)


@pytest.mark.slow
def test_it_goes_down_to_nothing_and_up_again(project: Project, server: Server) -> None:
    for id_, sql in CHAIN.items():
        project.add(id_, sql)
    project.squash()
    database, empty = server.create(), server.create()
    project.upgrade(database)
    before = everything(database)
    project.downgrade(database)
    left = [line for line in everything(database) if not line.startswith(("--", "ALTER DEFAULT PRIVILEGES"))]
    assert left == [line for line in everything(empty) if not line.startswith("--")]
    project.upgrade(database)
    assert everything(database) == before
    project.run_offline(database, "downgrade")
    assert database.tables() == []


@pytest.mark.slow
def test_the_file_is_what_a_reviewer_and_the_linters_want(project: Project) -> None:
    for id_, sql in CHAIN.items():
        project.add(id_, sql)
    project.squash()
    [path] = project.versions.glob("*.py")
    written = path.read_text()
    ruff = ("--no-cache", "--config", str(ROOT / "pyproject.toml"))
    for tool in (["ruff", "check", *ruff], ["ruff", "format", "--check", *ruff], ["mypy", "--strict"]):
        done = subprocess.run([sys.executable, "-m", *tool, path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "ALTER TABLE ONLY users\n            ADD CONSTRAINT users_pkey" not in written
    assert "GENERATED ALWAYS AS IDENTITY (" in written  # which starts with 100
    assert "id bigint GENERATED BY DEFAULT AS IDENTITY NOT NULL" in written
    assert "untouched', 42" not in written
    assert "CONSTRAINT chosen NOT NULL" in written or "named text NOT NULL" in written
    assert "old_name_old_column_not_null" not in written
    assert "public.users" not in written.replace("'public.", "")
    for id_ in CHAIN:
        assert id_ in written.split('"""')[1]


@pytest.mark.slow
def test_a_dry_run_changes_nothing(project: Project) -> None:
    for id_, sql in SHORT.items():
        project.add(id_, sql)
    before = project.contents()
    said = project.squash(dry_run=True)
    assert project.contents() == before
    assert "no file was changed" in said[-1]


@pytest.mark.slow
def test_without_git_the_old_files_are_put_aside(project: Project) -> None:
    for id_, sql in SHORT.items():
        project.add(id_, sql)
    old = {path.name: path.read_bytes() for path in project.versions.glob("*.py")}
    said = project.squash()
    aside = project.versions.with_name("versions_squashed")
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == old
    assert str(aside) in "\n".join(said)
    assert project.names() == ["20240301_0901_baseline.py"]


def test_a_sequence_is_named_without_the_schema_public() -> None:
    written = [
        "SELECT pg_catalog.setval('public.t_id_seq', 3, true)",
        "ALTER TABLE ONLY public.t ALTER COLUMN id SET DEFAULT nextval('public.t_id_seq'::regclass)",
        "COMMENT ON TABLE public.t IS 'public.t_id_seq'",
    ]
    assert tidy(Dump(written, [])).create == [
        "SELECT setval('t_id_seq', 3, true)",
        "ALTER TABLE ONLY t ALTER COLUMN id SET DEFAULT nextval('t_id_seq'::regclass)",
        "COMMENT ON TABLE t IS 'public.t_id_seq'",
    ]


@pytest.mark.slow
def test_with_git_it_names_the_commit_that_has_them(short: Project) -> None:
    said = short.squash()
    [commit] = re.findall(r"git has in (\w+)", "\n".join(said))
    short.git("checkout", "-q", commit, "--", "versions")
    assert len(short.names()) == 3
    assert not short.versions.with_name("versions_squashed").exists()


def change(project: Project) -> None:
    path = project.versions / "20240301_0900_one.py"
    path.write_text(path.read_text() + "# changed\n")


def stage(project: Project) -> None:
    change(project)
    project.git("add", "-A")


def add(project: Project) -> None:
    project.add("three", "SELECT 1")


def ignore(project: Project) -> None:
    (project.ini.parent / ".gitignore").write_text("*_three.py\n")
    add(project)


def never_commit(project: Project) -> None:
    shutil.rmtree(project.ini.parent / ".git")
    project.git("init", "-q")


@pytest.mark.parametrize("how", [change, stage, add, ignore, never_commit])
def test_what_git_does_not_have_is_not_thrown_away(how: Callable[[Project], None], short: Project) -> None:
    how(short)
    before = short.contents()
    with pytest.raises(SquashError, match="commit it first"):
        short.squash()
    assert short.contents() == before


@pytest.mark.slow
def test_a_branch_that_is_merged_is_squashed_with_its_labels(project: Project, server: Server) -> None:
    project.add("root", "CREATE TABLE root (id integer)", branch_labels=("core",))
    project.add("left", "CREATE TABLE l (id integer)", after="root", branch_labels="left_one")
    project.add("right", "CREATE TABLE r (id integer)", after="root")
    project.add("merge", "SELECT 1", after=("left", "right"))
    project.add("later", "CREATE TABLE later (id integer)", depends_on="merge")
    said = project.squash("merge")
    assert "left_one" in "\n".join(said)
    [path] = project.versions.glob("*_baseline.py")
    assert 'branch_labels = ("core",)' in path.read_text()
    database = server.create()
    project.upgrade(database, "core@head")
    assert database.tables() == ["l", "later", "r", "root"]


def branches(project: Project) -> None:
    """Write root → a → b → c, and root → x."""
    project.add("root", "SELECT 1")
    for id_ in ("a", "b", "c"):
        project.add(id_, "SELECT 1")
    project.add("x", "SELECT 1", after="root")


def merged_late(project: Project) -> None:
    branches(project)
    project.add("merge", "SELECT 1", after=("c", "x"))


def depending(project: Project) -> None:
    project.add("root", "SELECT 1")
    project.add("a", "SELECT 1")
    project.add("b", "SELECT 1")
    project.add("c", "SELECT 1", depends_on="a")


def two_roots(project: Project) -> None:
    for id_ in ("a", "b", "c"):
        project.add(id_, "SELECT 1")
    project.add("y", "SELECT 1", after=())
    project.add("merge", "SELECT 1", after=("c", "y"))


def invalid_index(project: Project) -> None:
    project.add("a", "CREATE TABLE t (id integer); CREATE INDEX i ON t (id)")
    project.add("b", "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass")


def large_object(project: Project) -> None:
    project.add("a", "SELECT lo_create(4711)")
    project.add("b", "SELECT 1")


def broken(project: Project) -> None:
    project.add("a", "SELECT 1")
    project.add("b", "SELECT 1 / 0")


def in_the_way(project: Project) -> None:
    for id_ in ("a", "b", "c"):
        project.add(id_, "SELECT 1")
    (project.versions / "20240301_0902_c.py").rename(project.versions / "20240301_0901_baseline.py")


def folder_in_the_way(project: Project) -> None:
    project.add("a", "SELECT 1")
    project.add("b", "SELECT 1")
    (project.ini.parent / "versions_squashed").mkdir()


@pytest.mark.parametrize(
    ("chain_of", "to", "says"),
    [
        (branches, "head", r"there are 2 heads \(c, x\): name a revision .*--to.*alembic merge heads"),
        (branches, "nowhere", r"Can't locate revision identified by 'nowhere'"),
        (branches, "", r"--to is empty: name a revision"),
        (branches, "base", r"nothing to squash before base"),
        (branches, "root", r"root is the first revision: there is nothing before it to squash"),
        (branches, "b", r"the head x does not come after b: squash to a revision that every head"),
        (merged_late, "b", r"x \(20240301_0904_x.py\) comes after root, which would be squashed into b"),
        (depending, "b", r"c \(20240301_0903_c.py\) depends on a, which would be squashed into b"),
        (two_roots, "b", r"y \(20240301_0903_y.py\) begins a branch of its own"),
        (invalid_index, "head", r"the index i is INVALID when the chain has run"),
        (large_object, "head", r"the large object 4711"),
        (broken, "head", r"division by zero.*20240301_0901_b.py"),
        (in_the_way, "b", r"20240301_0901_baseline.py exists, and is not one of the files"),
        (folder_in_the_way, "b", r"versions_squashed exists: move it out of the way"),
    ],
)
def test_what_cannot_be_squashed_is_refused_in_one_line(
    chain_of: Callable[[Project], None], to: str, says: str, project: Project
) -> None:
    chain_of(project)
    before = project.contents()
    with pytest.raises(CommandError) as refusal:
        project.squash(to)
    assert re.search(says, str(refusal.value))
    assert len(str(refusal.value).splitlines()) == 1
    assert project.contents() == before


@pytest.mark.slow
def test_a_baseline_that_builds_something_else_is_shown_and_not_kept(
    short: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(*arguments: object, **options: object) -> str:
        return source(*arguments, **options).replace("id integer", "id bigint", 1)  # type: ignore[arg-type]

    monkeypatch.setattr(proof, "source", forgetful)
    before = short.contents()
    with pytest.raises(SquashError) as refusal:
        short.squash()
    assert "-    id integer\n+    id bigint" in str(refusal.value)
    assert short.contents() == before


@pytest.mark.slow
def test_a_downgrade_that_leaves_something_is_refused(
    short: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def messy(*arguments: object, **options: object) -> str:
        written = source(*arguments, **options)  # type: ignore[arg-type]
        return re.sub(r"DROP TABLE .*two.*\"", 'SELECT 1"', written)

    monkeypatch.setattr(proof, "source", messy)
    before = short.contents()
    with pytest.raises(SquashError, match="leaves something behind: CREATE TABLE public"):
        short.squash()
    assert short.contents() == before


@pytest.mark.slow
@pytest.mark.parametrize("git", [True, False])
@pytest.mark.parametrize("step", ["rename", "write_text"])
def test_a_failure_on_the_way_leaves_every_file_as_it_was(
    step: str, git: bool, short: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not git:
        shutil.rmtree(short.ini.parent / ".git")
    before = short.contents()
    real = getattr(Path, step)

    def fail(path: Path, *arguments: object, **options: object) -> object:
        if step == "rename" and path.name.endswith("_two.py") and path.parent == short.versions:
            raise OSError("disk full")
        if step == "write_text" and path.parent == short.versions:
            real(path, "half", encoding="utf-8")
            raise OSError("disk full")
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, step, fail)
    with pytest.raises(OSError, match="disk full"):
        short.squash()
    assert short.contents() == before
    assert not short.versions.with_name(files.ASIDE).exists()


@pytest.mark.slow
def test_names_that_the_readable_form_gets_wrong_are_kept_in_full(project: Project, server: Server) -> None:
    project.add("one", "CREATE TABLE public (id integer, pg_catalog integer); CREATE TABLE b (id integer)")
    project.add("two", "CREATE VIEW v AS SELECT public.id FROM public JOIN b ON public.id = b.id")
    old, new = server.create(), server.create()
    project.upgrade(old)
    project.squash()
    [path] = project.versions.glob("*.py")
    assert "CREATE VIEW public.v" in path.read_text()
    project.upgrade(new)
    assert everything(new) == everything(old)


@pytest.mark.slow
def test_what_no_dump_holds_is_pointed_out(project: Project) -> None:
    project.add("one", "CREATE TABLE one (id integer)")
    project.add(
        "two", "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET x.y = 1'; END $$"
    )
    assert any("20240301_0901_two.py says ALTER DATABASE" in line for line in project.squash(dry_run=True))


def test_a_file_in_another_encoding_is_read(project: Project) -> None:
    project.add("one", "CREATE TABLE one (id integer)")
    project.add("two", "CREATE ROLE caf\xe9")
    path = project.versions / "20240301_0901_two.py"
    source = path.read_text(encoding="utf-8")
    path.write_text(f"# -*- coding: latin-1 -*-\n{source}", encoding="latin-1")
    assert [line.partition(":")[0] for line in make_plan(project.config()).notes()] == [
        "20240301_0901_two.py says CREATE ROLE"
    ]


@pytest.mark.slow
def test_a_second_squash_takes_the_first_baseline_in(short: Project, server: Server) -> None:
    short.squash()
    short.add("three", "CREATE TABLE three (id integer)", after="two")
    short.git("add", "-A")
    short.git("commit", "-q", "--no-verify", "-m", "more")
    old, new = server.create(), server.create()
    short.upgrade(old)
    short.squash()
    assert len(short.names()) == 1
    short.upgrade(new)
    assert everything(new) == everything(old)


@pytest.fixture
def backend(tmp_path: Path) -> Path:
    """A copy of this project, whose chain has two revisions."""
    copy = tmp_path / "backend"
    copy.mkdir()
    for name in ("alembic", "migrate", "models", "postgres"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "versions"))
    for name in ("alembic.ini", "database.py", "pyproject.toml"):
        shutil.copy(ROOT / name, copy)
    (copy / "alembic/versions").mkdir()
    project = Project(copy / "alembic/alembic.ini")
    for id_, sql in SHORT.items():
        project.add(id_, sql)
    return copy


@pytest.mark.slow
def test_the_command_shows_squashes_and_says_so(backend: Path, empty: Database) -> None:
    versions = backend / "alembic/versions"
    command_line = ("migrate", "squash", "--to", "two")
    shown = process(*command_line, "--dry-run", url=empty.url, folder=backend)
    assert shown.returncode == 0, shown.stderr
    assert len(list(versions.glob("*.py"))) == 2
    done = process(*command_line, url=empty.url, folder=backend)
    assert done.returncode == 0, done.stderr
    [path] = versions.glob("*.py")
    assert path.read_text() == shown.stdout
    assert "a database at two or later needs nothing" in done.stderr
    assert "upgrade any other to two with the old files first" in done.stderr
    again = process(*command_line, url=empty.url, folder=backend)
    assert (again.returncode, again.stderr) == (
        1,
        "error: two is the first revision: there is nothing before it to squash\n",
    )


@pytest.mark.slow
def test_a_server_out_of_reach_is_one_clear_line(backend: Path, empty: Database) -> None:
    url = empty.url.set(port=closed_port())
    done = process("migrate", "squash", url=url, folder=backend)
    assert done.returncode == 1
    [_, error] = done.stderr.splitlines()
    assert error.startswith("error: cannot connect to ")
    assert len(list((backend / "alembic/versions").glob("*.py"))) == 2


@pytest.mark.parametrize(
    "sql",
    [":x", "a:x", "::text", "x::text :y", r"\:x", r"\\:x", r"\: x", r"\::x", ":x:", ":x::text", "[1:n]",
     "[:n]", "%s %% %(x)s", "12:30:00", "':a:b'", r"\:x:"],
)  # fmt: skip
def test_alembic_executes_what_is_meant(sql: str) -> None:
    escaped = text(BIND.sub(r"\\:", sql))
    dialect = postgresql.psycopg.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
    assert str(escaped.compile(dialect=dialect)) == sql


def test_where_a_table_is_stored_is_said_for_the_transaction_alone() -> None:
    script = """
        SET default_tablespace = '';
        SET default_table_access_method = heap;
        CREATE TABLE a ();
        SET default_tablespace = fast;
        CREATE TABLE b ();
        SET default_tablespace = '';
        CREATE TABLE c ();
    """
    assert statements(script) == [
        "CREATE TABLE a ()",
        "SET LOCAL default_tablespace = fast",
        "CREATE TABLE b ()",
        "SET LOCAL default_tablespace = ''",
        "CREATE TABLE c ()",
    ]
