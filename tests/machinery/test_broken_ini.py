"""A broken ini file is named in one line, with the setting, by `alembic` and by `python -m migrate`."""

import os
from pathlib import Path

import pytest
from alembic.util import CommandError

from database import ROOT
from migrate.alembic_internals import new_path
from migrate.operate.operation import read_config
from migrate.scripts import scripts_of
from tests.machinery.support import Chain, Database, process, program

AFTER_ENV = {
    "percent": (
        "exclude_tables =\n",
        "exclude_tables = a%b\n",
        "[alembic] exclude_tables: a % of the ini file",
    ),
    "unknown name": ("pause = 500ms", "pause = %(long)s", "[migrate] pause: a % of the ini file"),
    "unknown setting": ("lock_timeout = 2s", "lock_timout = 2s", "[migrate] lock_timout: no such setting"),
    "formatter": (
        "keys = generic",
        "keys = generics",
        "logging cannot be set up (KeyError: 'formatter_generics')",
    ),
    "level": ("level = INFO", "level = LOUD", "logging cannot be set up (ValueError: Unknown level: 'LOUD')"),
}
BEFORE_ENV = {
    "twice": (
        "exclude_tables =\n",
        "exclude_tables =\nexclude_tables =\n",
        "cannot be read: .* already exists",
    ),
    "no section": ("[alembic]", "garbage\n[alembic]", "alembic.ini cannot be read: File contains no section"),
    "number": (
        "truncate_slug_length = 59",
        "truncate_slug_length = many",
        r"alembic.ini: \[alembic\] .*'many'",
    ),
    "separator": (
        "path_separator = os",
        "path_separator = x",
        r"alembic.ini: \[alembic\] 'x' is not a valid",
    ),
    "other section": ("[alembic]", "[other]", r"alembic.ini: \[alembic\] No 'script_location' key"),
}


def broken(ini: Path, old: str, new: str) -> Path:
    text = ini.read_text()
    assert old in text
    ini.write_text(text.replace(old, new))
    return ini


@pytest.mark.parametrize(("old", "new", "says"), AFTER_ENV.values(), ids=AFTER_ENV)
def test_alembic_names_the_setting(old: str, new: str, says: str, chain: Chain, empty: Database) -> None:
    ini = broken(chain("SELECT 1"), old, new)
    done = process("alembic", "-c", str(ini), "upgrade", "head", url=empty.url)
    assert done.returncode
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert empty.tables() == []


def test_a_deploy_refuses_a_wrong_setting_before_its_first_step(chain: Chain, empty: Database) -> None:
    ini = broken(chain("SELECT 1"), "lock_timeout = 2s", "lock_timeout = soon")
    done = program("migrate", "deploy", "--dry-run", "--config", str(ini), url=empty.url)
    assert done.returncode == 1
    assert done.stderr == (
        "error: lock_timeout: 'soon' is not a duration like 500ms, 2s or 5min (0, or from 1ms to 596h)\n"
    )


@pytest.mark.parametrize(("old", "new", "says"), BEFORE_ENV.values(), ids=BEFORE_ENV)
def test_the_commands_name_the_file(old: str, new: str, says: str, chain: Chain) -> None:
    ini = broken(chain("SELECT 1"), old, new)
    with pytest.raises(CommandError, match=says) as caught:
        scripts_of(read_config(ini))
    assert "\n" not in str(caught.value)


def test_the_longest_name_of_a_revision_fits_into_a_file_name(tmp_path: Path) -> None:
    scripts = scripts_of(read_config(ROOT / "alembic.ini"))
    for message in ("\U00010428" * 300, "\U00010428" * 58 + " x y"):
        assert len(os.fsencode(new_path(scripts, tmp_path, "r0", message).name)) <= 255
