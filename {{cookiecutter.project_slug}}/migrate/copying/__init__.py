"""Copy a scenario of the chain for other tables: `python -m migrate copy`."""

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError, rev_id
from sqlalchemy import Connection, NullPool

from database import make_engine
from migrate.chain import Revision, project_config, revisions
from migrate.copying import adapt, needs, source
from migrate.copying.answers import Ask, renaming
from migrate.copying.renaming import ID, Renaming
from migrate.run.connection import connect
from migrate.scripts import scripts_of
from migrate.target import migration_engine
from postgres.errors import DatabaseURLError
from postgres.url import parse_url


@dataclass(frozen=True)
class CopyOptions:
    """The options of a copy.

    Attributes:
        scenario: the slug of one of the scenario's revisions.
        given: the new names by kind, each as NEW or OLD=NEW.
        id: the key column of the tables.
        to: the folder of an Alembic project; by default this one.
        url: its database, to check `Needs:`.
        head: the revision that the copies come after, if there are several heads.
        only: copy only this revision, without the other steps.
        same: keep each name that is not given.
        anyway: write the copies even if `Needs:` does not hold.
    """

    scenario: str
    given: Mapping[str, Sequence[str]] = field(default_factory=dict)
    id: str = ID
    to: Path | None = None
    url: str = ""
    head: str = ""
    only: bool = False
    same: bool = False
    anyway: bool = False


def copy(
    options: CopyOptions,
    *,
    chain: Sequence[Revision] | None = None,
    ask: Ask | None = None,
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Write the revisions of a scenario for other tables.

    Args:
        options: what to copy, and where.
        chain: the revisions with the scenario, by default the project's.
        ask: called with a question for each name that is missing; returns the answer.
        say: called with each line that a person must read.

    Returns:
        The new files, in the order in which they run.

    Raises:
        CommandError: there is no such scenario, a name is missing or wrong, or `Needs:` does not hold.
    """
    chain = chain or revisions()
    steps = steps_of(chain, options.scenario, only=options.only)
    names = adapt.union(adapt.parse(step.fields["Adapt"]) for step in steps)
    if not any(name.kind == "table" for name in names):
        raise CommandError(f"{options.scenario} names no table: there is nothing to copy it to")
    chosen = renaming(names, options.given, id_=options.id, same=options.same, ask=ask)
    slugs = {revision.slug: revision.slug for revision in chain}
    chosen = replace(chosen, slugs=slugs | {step.slug: chosen.slug(step.slug) for step in steps})
    with _inside(options.to):
        config = _config(options.to)
        scripts = scripts_of(config)
        environment = Path(scripts.dir, "env.py").read_text(encoding="utf-8")
        _refuse_taken(scripts, [chosen.slugs[step.slug] for step in steps])
        lines = [step.fields.get("Needs", "") for step in steps]
        with _database(options, config, say) as connection:
            place = needs.Place(connection, environment, chosen)
            absent, wrong = [*needs.missing(names, place)], [*needs.broken(lines, place)]
        # Without a table, none of its needs can hold.
        if (reasons := absent or wrong) and not options.anyway:
            raise CommandError(
                f"what {options.scenario} needs does not hold here: {'; '.join(reasons)} (--anyway writes it "
                "even so)"
            )
        paths = _write(scripts, steps, chosen, options.head)
    for sentence in [*absent, *wrong, *(place.shown(said) for said in needs.left_to_people(lines))]:
        say(f"check this yourself: {sentence}")
    return paths


def steps_of(chain: Sequence[Revision], slug: str, *, only: bool = False) -> list[Revision]:
    """Return the revisions of the scenario of a revision, in the order in which they run.

    Raises:
        CommandError: there is no such revision, or its docstring has no `Adapt:`.
    """
    by_slug = {revision.slug: revision for revision in chain}
    if slug not in by_slug:
        raise CommandError(f"there is no scenario {slug}: alembic/versions/README.md lists them")
    before = {name: needs.steps_before(rev.fields.get("Needs", "")) for name, rev in by_slug.items()}
    wanted = {slug}
    while not only:
        more = {name for name in by_slug if wanted & {*before[name]}} | {
            b for name in wanted for b in before[name]
        }
        if more <= wanted:
            break
        wanted |= more
    steps = [revision for revision in chain if revision.slug in wanted]
    for step in steps:
        if "Adapt" not in step.fields:
            raise CommandError(f"{step.path.name} cannot be copied: its docstring has no line Adapt:")
    return steps


@contextmanager
def _inside(folder: Path | None) -> Iterator[None]:
    """Change to a project's folder: a script_location may be relative to it."""
    if folder is None:
        yield
        return
    if not folder.is_dir():
        raise CommandError(f"--to {folder}: there is no such folder")
    with chdir(folder):
        yield


def _config(folder: Path | None) -> Config:
    if folder is None:
        return project_config()
    ini, toml = Path("alembic.ini"), Path("pyproject.toml")
    if not ini.exists():
        raise CommandError(f"--to {folder}: there is no alembic.ini")
    return Config(ini, toml_file=toml if toml.exists() else None)


@contextmanager
def _database(
    options: CopyOptions, config: Config, say: Callable[[str], None]
) -> Iterator[Connection | None]:
    """Give a connection to the database that the copies are for; None if no database is named."""
    if options.url:
        engine = make_engine(parse_url(options.url, "--url"), poolclass=NullPool)
    elif options.to is None:
        engine = migration_engine(config)
    else:
        try:
            engine = make_engine(
                parse_url(config.get_main_option("sqlalchemy.url") or ""), poolclass=NullPool
            )
        except DatabaseURLError:
            say("Needs: was not checked: name the database with --url")
            yield None
            return
    with connect(engine) as connection:
        yield connection


def _refuse_taken(scripts: ScriptDirectory, slugs: Sequence[str]) -> None:
    taken = {revision.slug for revision in revisions(scripts)} | {
        Path(script.path).stem.partition("_")[2] for script in scripts.walk_revisions()
    }
    if twice := sorted({slug for slug in slugs if slug in taken or slugs.count(slug) > 1}):
        raise CommandError(f"there is a revision {', '.join(twice)} already: was this copied before?")


def _write(scripts: ScriptDirectory, steps: Sequence[Revision], chosen: Renaming, head: str) -> list[Path]:
    heads = scripts.get_heads()
    if len(heads) > 1 and not head:
        raise CommandError(
            f"there are {len(heads)} heads, {', '.join(heads)}: --head says which one to come after"
        )
    parent = head or (heads[0] if heads else None)
    new_ids = [rev_id() for _ in steps]
    downs = [parent, *new_ids]
    texts = {
        id_: source.copied(step.path.read_text(encoding="utf-8"), chosen, source.Ids(id_, down, DATE))
        for step, id_, down in zip(steps, new_ids, downs, strict=False)
    }
    paths = []
    for step, id_, down in zip(steps, new_ids, downs, strict=False):
        with redirect_stdout(io.StringIO()):  # Alembic prints a line for each file
            made = scripts.generate_revision(id_, chosen.slugs[step.slug], head=down or "base", refresh=True)
        assert made is not None
        path = Path(made.path)
        created = re.search(r"^Create Date: (.+)$", made.longdoc, re.MULTILINE)
        date = created[1] if created else str(datetime.now(UTC))
        path.write_text(texts[id_].replace(DATE, date), encoding="utf-8")
        paths.append(path.absolute())
    return paths


# A placeholder for the date, until the file is written.
DATE = "\x01"
