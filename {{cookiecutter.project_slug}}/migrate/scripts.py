"""The files of a chain: each is read before anything runs, and a broken one is named."""

import traceback
from pathlib import Path
from weakref import WeakSet

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError, to_tuple

from database import ROOT
from migrate.alembic_internals import read_file, replace_revisions, revision_files

REPAIR = "repair the file, or take it out of the folder"

_already: WeakSet[ScriptDirectory] = WeakSet()


def scripts_of(config: Config) -> ScriptDirectory:
    """Return the chain of a configuration. It raises the errors of `read`."""
    try:
        scripts = ScriptDirectory.from_config(config)
    except (CommandError, ValueError) as error:
        raise CommandError(f"{config.config_file_name}: [{config.config_ini_section}] {error}") from error
    return read(scripts)


def read(scripts: ScriptDirectory) -> ScriptDirectory:
    """Read the files of a chain now, once.

    Alembic reads them when it needs the first one. Of a broken file it shows a traceback, and of two
    files with one id it takes the last.

    Raises:
        CommandError: a file cannot be read or has no `revision`, `down_revision` or `upgrade()`, two
            have one id, none has the id that one comes after, or the revisions are a cycle.
    """
    if scripts in _already:
        return scripts
    found: dict[str, Script] = {}
    for path in revision_files(scripts):
        script = _script(scripts, path)
        if script is None:
            continue
        if other := found.get(script.revision):
            raise CommandError(
                f"{shown(path)} and {shown(Path(other.path))} both have the revision {script.revision}: "
                "give one of them another id, or delete it"
            )
        found[script.revision] = script
    labels = {label for script in found.values() for label in script.branch_labels}
    for script in found.values():
        _refuse_loose(script, {*found, *labels})
    replace_revisions(scripts, found.values())
    try:
        scripts.get_heads()
    except RevisionError as error:
        raise CommandError(f"{error}: correct their files") from None
    _already.add(scripts)
    return scripts


def shown(path: Path) -> str:
    """Return a path as from the backend's folder."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def _script(scripts: ScriptDirectory, path: Path) -> Script | None:
    """Read a file; None if its name is not that of a revision."""
    try:
        script = read_file(scripts, path)
    except CommandError as error:
        raise CommandError(f"{shown(path)} has no line revision = …: {REPAIR}") from error
    except RevisionError as error:
        raise CommandError(f"{shown(path)}: {error}: {REPAIR}") from None
    except (Exception, SystemExit) as error:
        line = _line(error, path)
        said = error.msg if isinstance(error, SyntaxError) else next(iter(str(error).splitlines()), "")
        place = f"{shown(path)}, line {line}" if line else shown(path)
        raise CommandError(f"{place}: {type(error).__name__}: {said}: {REPAIR}") from error
    if script is None:
        return None
    if not callable(getattr(script.module, "upgrade", None)):
        raise CommandError(f"{shown(path)} has no function upgrade(): write it, or delete the file")
    if not hasattr(script.module, "downgrade"):
        script.module.downgrade = _no_way_back  # type: ignore[attr-defined]
    return script


def _no_way_back() -> None:
    raise CommandError("irreversible: its file has no function downgrade()")


def _line(error: BaseException, path: Path) -> int | None:
    """Return the line of a file at which an error was raised; None if it is not known."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == str(path)), None)


def _refuse_loose(script: Script, known: set[str]) -> None:
    for attribute, names in (("down_revision", script.down_revision), ("depends_on", script.dependencies)):
        for name in to_tuple(names, default=()):
            if name not in known:
                raise CommandError(
                    f"{shown(Path(script.path))} has {attribute} = {name!r}, and no file has that revision: "
                    f"get its file (git log --all -S{name} finds it), or correct {attribute}"
                )
