"""Rebase: two branches of the code have met, and the chain becomes a line again."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from migrate import rebase as module
from migrate.rebase import rebase
from tests.machinery.support import Database


class Repository:
    """A chain of one's own in a clone, whose upstream has the first revision and theirs."""

    def __init__(self, ini: Path) -> None:
        self.ini, self.versions = ini, ini.parent / "versions"
        self.shown = ""
        self.add("one", None, "09:00")
        self.git("init", "-q", "--initial-branch=main")
        self.add("theirs", "one", "10:00")
        self.commit("refs/remotes/origin/main")
        self.add("mine", "one", "09:30")
        self.add("mine_too", "mine", "09:31")

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *arguments], cwd=self.ini.parent, check=True, capture_output=True)

    def commit(self, reference: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--no-verify", "-m", "chain")
        self.git("update-ref", reference, "HEAD")

    def add(self, id_: str, down: str | tuple[str, ...] | None, time: str, **names: str) -> None:
        revises = f"Revises: {down}\n" if down else ""
        extra = "".join(f"{name} = {value!r}\n" for name, value in names.items())
        (self.versions / f"20240301_{time.replace(':', '')}_{id_}.py").write_text(
            f'"""Say {id_}.\n\nRevision ID: {id_}\n{revises}'
            f'Create Date: 2024-03-01 {time}:00.000000+00:00\n"""\n\n'
            f"from alembic import op\n\nrevision: str = {id_!r}\ndown_revision = {down!r}\n{extra}\n"
            f"def upgrade():\n    op.execute('CREATE TABLE {id_} ()')\n\n\n"
            f"def downgrade():\n    op.execute('DROP TABLE {id_}')\n"
        )

    def config(self, database: Database) -> Config:
        config = Config(self.ini)
        config.attributes["connection"] = database.engine
        return config

    def rebase(self, database: Database, own: str = "", *, yes: bool = True) -> str:
        def confirm(change: str) -> bool:
            self.shown = change
            return yes

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "migration_engine", lambda: database.engine)
            return rebase(Config(self.ini), own, confirm=confirm)

    def contents(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.versions.glob("*.py")}


@pytest.fixture
def repository(chain: Callable[..., Path]) -> Repository:
    return Repository(chain())


def test_what_upstream_does_not_have_goes_after_what_it_has(repository: Repository, empty: Database) -> None:
    config = repository.config(empty)
    command.upgrade(config, "theirs")
    said = repository.rebase(empty)
    assert said.startswith("2 revisions, from mine on, now after theirs.")
    names = sorted(repository.contents())
    assert [name.split("_", 2)[2] for name in names] == ["one.py", "theirs.py", "mine.py", "mine_too.py"]
    for line in ("-down_revision = 'one'", '+down_revision = "theirs"', "-Revises: one", "+Revises: theirs"):
        assert line in repository.shown.splitlines()
    for name in names[2:]:
        text = (repository.versions / name).read_text()
        year, month, day, hour, minute = re.match(r"(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)_", name).groups()  # type: ignore[union-attr]
        assert f"Create Date: {year}-{month}-{day} {hour}:{minute}:" in text
    assert ScriptDirectory.from_config(config).get_heads() == ["mine_too"]
    command.upgrade(config, "head")
    command.downgrade(config, "base")


def test_a_file_in_another_encoding_keeps_it(repository: Repository, empty: Database) -> None:
    [mine] = repository.versions.glob("*_mine.py")
    mine.write_bytes(b"# -*- coding: latin-1 -*-\n" + mine.read_bytes() + b"# caf\xe9\n")
    repository.rebase(empty)
    [moved] = repository.versions.glob("*_mine.py")
    assert moved.read_bytes().endswith(b"# caf\xe9\n")


def test_the_one_that_is_named_goes(repository: Repository, empty: Database) -> None:
    repository.git("update-ref", "-d", "refs/remotes/origin/main")
    with pytest.raises(CommandError, match="git does not tell which one is yours"):
        repository.rebase(empty)
    with pytest.raises(CommandError, match="one is no head"):
        repository.rebase(empty, "one")
    repository.rebase(empty, "theirs")
    config = repository.config(empty)
    assert ScriptDirectory.from_config(config).get_heads() == ["theirs"]
    command.upgrade(config, "head")


def applied(repository: Repository, database: Database) -> str:
    command.upgrade(repository.config(database), "mine")
    return "the database has run mine: take it back first, alembic downgrade one"


def upstream(repository: Repository, _database: Database) -> str:
    repository.commit("refs/remotes/origin/main")
    return "git does not tell"


def named_and_upstream(repository: Repository, _database: Database) -> str:
    repository.commit("refs/remotes/origin/main")
    return "mine.py is upstream already"


def merged(repository: Repository, _database: Database) -> str:
    repository.add("other", "one", "09:32")
    repository.add("both", ("mine_too", "other"), "09:33")
    return "both.py merges branches"


def one_head(repository: Repository, _database: Database) -> str:
    for path in repository.versions.glob("*mine*.py"):
        path.unlink()
    return "rebase needs two heads, and here is 1"


def three_heads(repository: Repository, _database: Database) -> str:
    repository.add("other", "one", "09:32")
    return "rebase needs two heads, and here is 3"


def without_a_place(repository: Repository, _database: Database) -> str:
    [path] = repository.versions.glob("*_mine.py")
    path.write_text(
        path.read_text().replace("down_revision = 'one'", "revision, down_revision = 'mine', 'one'")
    )
    return "mine.py has no line that begins with down_revision ="


def not_confirmed(_repository: Repository, _database: Database) -> str:
    return "not confirmed: nothing has changed"


REFUSED = [
    applied,
    upstream,
    named_and_upstream,
    merged,
    one_head,
    three_heads,
    without_a_place,
    not_confirmed,
]


@pytest.mark.parametrize("prepare", REFUSED, ids=lambda prepare: prepare.__name__)
def test_what_cannot_move_is_refused_and_nothing_changes(
    prepare: Callable[[Repository, Database], str], repository: Repository, empty: Database
) -> None:
    says = prepare(repository, empty)
    before = repository.contents()
    own = "mine_too" if prepare is named_and_upstream else ""
    with pytest.raises(CommandError, match=re.escape(says)):
        repository.rebase(empty, own, yes=prepare is not not_confirmed)
    assert repository.contents() == before


def test_a_disk_that_refuses_leaves_the_files_as_they_were(
    repository: Repository, empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = repository.contents()
    unlink = Path.unlink

    def full(path: Path, missing_ok: bool = False) -> None:
        if path.name.endswith("0931_mine_too.py"):
            raise OSError("disk")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", full)
    with pytest.raises(OSError, match="disk"):
        repository.rebase(empty)
    assert repository.contents() == before
