"""A broken file of a chain is named in one line, by every command, before anything runs."""

import errno
import os
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.util import CommandError

from migrate.scripts import scripts_of
from tests.machinery.support import Chain, Database, run

REST = "\ndef upgrade(): pass\ndef downgrade(): pass\n"

BROKEN = {
    "syntax": ("revision = 'r1'\ndown_revision = (", r"r1.py, line 2: SyntaxError: '\(' was never closed"),
    "import": ("import nowhere\n", r"r1.py, line 1: ModuleNotFoundError: No module named 'nowhere'"),
    "exception": ("\nraise ValueError('one\\ntwo')\n", r"r1.py, line 2: ValueError: one: repair the file"),
    "exit": ("import sys\nsys.exit(0)\n", "r1.py, line 2: SystemExit: 0"),
    "no revision": ("down_revision = 'r0'" + REST, "r1.py has no line revision = …"),
    "no down_revision": ("revision = 'r1'" + REST, "r1.py: AttributeError: .* no attribute 'down_revision'"),
    "no upgrade": ("revision = 'r1'\ndown_revision = 'r0'\n", r"r1.py has no function upgrade\(\)"),
    "bad id": ("revision = 'r@1'\ndown_revision = 'r0'" + REST, "r1.py: Character.*'r@1': repair the file"),
    "no such parent": ("revision = 'r1'\ndown_revision = 'gone'" + REST, "r1.py has down_revision = 'gone'"),
    "no such need": (
        "revision = 'r1'\ndown_revision = 'r0'\ndepends_on = 'gone'" + REST,
        "r1.py has depends_on = 'gone'",
    ),
    "one id twice": ("revision = 'r0'\ndown_revision = None" + REST, "r1.py and .*r0.py both have"),
    "its own parent": ("revision = 'r1'\ndown_revision = 'r1'" + REST, r"r1.py: Self-loop .*\(r1\): repair"),
    "cycle": ("revision = 'r1'\ndown_revision = 'r2'" + REST, r"Cycle is detected .*: correct their files$"),
    "other encoding": ("'é'\n", "r1.py.*can't decode byte 0xe9"),
}


@pytest.mark.parametrize(("text", "says"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_named(text: str, says: str, chain: Chain) -> None:
    ini = chain("SELECT 1", "SELECT 1", "SELECT 1")
    Path(ini.parent, "versions/r1.py").write_text(text, encoding="latin-1")
    with pytest.raises(CommandError, match=says) as caught:
        scripts_of(Config(ini))
    assert "\n" not in str(caught.value)


def test_alembic_names_a_broken_file_before_anything_runs(chain: Chain, empty: Database) -> None:
    ini = chain("CREATE TABLE orders ()", "SELECT 1")
    Path(ini.parent, "versions/r1.py").write_text("import nowhere")
    for command in (["upgrade", "r0"], ["upgrade", "r0", "--sql"], ["current"], ["check"]):
        code, said = run(empty, *command, ini=ini)
        assert code
        assert "versions/r1.py, line 1: ModuleNotFoundError" in said
        assert "Traceback" not in said
    assert empty.tables() == []


def test_a_folder_that_is_not_there_is_named(chain: Chain) -> None:
    ini = chain()
    Path(ini.parent, "versions").rmdir()
    with pytest.raises(CommandError, match="versions does not exist: make it, or correct version_locations"):
        scripts_of(Config(ini))


def test_a_folder_that_cannot_be_listed_is_not_taken_for_an_empty_one(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    ini = chain("SELECT 1")

    def denied(path: Path) -> None:  # root may list any folder
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(CommandError, match="versions cannot be read: Permission denied"):
        scripts_of(Config(ini))


def test_a_revision_without_downgrade_is_irreversible(chain: Chain, empty: Database) -> None:
    ini = chain("SELECT 1", "CREATE TABLE orders ()")
    path = Path(ini.parent, "versions/r1.py")
    path.write_text(path.read_text().partition("def downgrade")[0])
    assert run(empty, "upgrade", "head", ini=ini)[0] == 0
    code, said = run(empty, "downgrade", "r0", ini=ini)
    assert code
    assert "its file has no function downgrade()" in said
    assert "Traceback" not in said
    assert empty.heads() == ["r1"]
