"""Commands around the migrations: `python -m migrate --help`."""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from io import TextIOWrapper
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy import NullPool

from database import ROOT, database_url, make_engine
from migrate import copying, ledger, review
from migrate.chain import project_config, revisions
from migrate.errors import clear_errors
from migrate.find import find
from migrate.ledger import FOLDER, readme
from migrate.operate.history import accept as accept_file
from migrate.operate.history import show as show_history
from migrate.operate.operation import (
    confirmed,
    default_config,
    development_config,
    must_be_able_to_ask,
    quiet,
    read_config,
)
from migrate.operate.rollback import Downgrade, DowngradeOptions, Restore, RestoreOptions
from migrate.rebase import rebase
from migrate.run.connection import connect
from migrate.sample import fill
from migrate.squash import squash
from migrate.target import allowed_url, migration_engine
from postgres import client, embedded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0; 1 after a line on stderr that says what is wrong; psql's own; or that of a state.
    """
    parser = argparse.ArgumentParser(prog="python -m migrate", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    command = commands.add_parser("sample", help="fill the empty tables with sample rows")
    command.add_argument(
        "--rows",
        type=_count,
        default=1000,
        help="rows of each table; models/sample.py can give a table more or fewer (default: %(default)s)",
    )
    command.set_defaults(run=sample)

    command = commands.add_parser("url", help="print the database's URL, password included")
    command.set_defaults(run=url)

    command = commands.add_parser("psql", help="open the database in psql; takes psql's own options")
    command.set_defaults(run=psql)

    command = commands.add_parser("stop", help="stop the embedded server")
    command.add_argument("--remove", action="store_true", help="delete its data too")
    command.set_defaults(run=stop)

    command = commands.add_parser(
        "servers", help="list the data of embedded servers outside of their projects"
    )
    command.add_argument(
        "--clear", action="store_true", help="stop the servers of deleted projects, and delete their data"
    )
    command.set_defaults(run=servers)

    command = commands.add_parser("index", help=f"render alembic/versions/{readme.FILE}, if it exists")
    command.set_defaults(run=index)

    command = commands.add_parser(
        "copy", help="write a scenario's revisions for your own tables, after the head",
        description="Write all revisions of a scenario for other tables. The line Adapt: of their docstrings "
        "lists the names to give. Each option below takes NEW, in the order of that line, or OLD=NEW.",
    )  # fmt: skip
    command.add_argument(
        "scenario", metavar="SCENARIO", help="the name of one of its revisions, as in README.md of the chain"
    )
    for kind, words in {
        "table": "a table; with its schema, if it is not the default one: billing.orders",
        "column": "a column",
        "key": "the type of the tables' id: uuid, bigint, integer or text",
        "label": "a value of the rows, such as a label of an enum",
        "member": "a key of a JSON document",
        "name": "another name",
    }.items():
        command.add_argument(f"--{kind}", action="append", default=[], metavar="NEW", help=words)
    command.add_argument("--id", default="id", metavar="NEW", help="the name of the tables' key column (id)")
    command.add_argument("--same", action="store_true", help="keep each name that is not given")
    command.add_argument(
        "--only", action="store_true", help="write only this revision, without the other steps"
    )
    command.add_argument(
        "--to", type=Path, metavar="FOLDER", help="a project with an alembic.ini (default: this one)"
    )
    command.add_argument("--url", default="", help="its database, to check what Needs: says")
    command.add_argument("--head", default="", metavar="REV", help="the head to follow, if there are several")
    command.add_argument("--anyway", action="store_true", help="write it even if Needs: does not hold")
    command.set_defaults(run=copy_scenario)

    command = commands.add_parser("ledger", help="measure what each revision locks, rewrites and reads")
    command.add_argument(
        "--from", dest="start", type=_revision, metavar="REV", help="measure only from this revision on"
    )
    output = command.add_mutually_exclusive_group()
    output.add_argument("--check", action="store_true", help="write nothing; fail if the ledger is not true")
    output.add_argument("--json", action="store_true", help="print all measurements, and write nothing")
    command.add_argument(
        "--time", action="store_true", help="print how long upgrades take and locks are held"
    )
    command.add_argument(
        "--snapshot", type=Path, metavar="FILE",
        help="with --time: on a database of this size, as python -m migrate snapshot has written it",
    )  # fmt: skip
    command.add_argument("--rows", type=_count, help=f"rows, for --time (default: {ledger.ROWS:,})")
    command.set_defaults(run=measure)

    command = commands.add_parser("review", help="judge one revision, measured, and name the right way")
    command.add_argument(
        "revision", metavar="FILE|REV", nargs="?", default="", help="which (default: the head)"
    )
    command.add_argument("--json", action="store_true", help="print it for a program")
    command.set_defaults(run=review_revision)
    command = commands.add_parser("snapshot", help="write how large the tables are, by statistics; no data")
    command.add_argument("file", type=Path, metavar="FILE", nargs="?", help="where to (standard output)")
    command.add_argument(
        "--config", type=Path, default=development_config(), help="the ini file (%(default)s)"
    )
    command.set_defaults(run=take_snapshot)

    command = commands.add_parser("deploy", help="migrate production: backup, upgrade, checks, a way back")
    command.add_argument(
        "--to", type=_revision, metavar="REV", default="head", help="the revision to reach (%(default)s)"
    )
    command.add_argument("--dry-run", action="store_true", help="end before the first change, print the plan")
    command.add_argument("--json", action="store_true", help="with --dry-run: print the plan for a program")
    command.add_argument(
        "--plan", default="", metavar="PLAN", help="do what a dry run has planned, or nothing"
    )
    command.add_argument(
        "--no-backup", nargs="?", const="", metavar="DATABASE",
        help="make no backup; the database's name, here or typed when asked, confirms it",
    )  # fmt: skip
    _operation(command)
    command.set_defaults(run=deploy)

    command = commands.add_parser(
        "rollback", help="go back: by downgrades, or from a backup into a new database"
    )
    way = command.add_mutually_exclusive_group(required=True)
    way.add_argument("--to", type=_revision, metavar="REV", help="undo the revisions after this one")
    way.add_argument("--backup", type=Path, metavar="FILE", help="restore this into a new database")
    command.add_argument(
        "--into", default="", metavar="DATABASE", help="with --backup: restore into this empty database"
    )
    _operation(command)
    command.set_defaults(run=rollback)

    command = commands.add_parser("smoke", help="read every model as the application does")
    command.add_argument("--config", type=Path, default=default_config(), help="the ini file (%(default)s)")
    command.set_defaults(run=smoke_test)

    command = commands.add_parser("status", help="say where the database is, and what to do")
    _reading(command)
    command.set_defaults(run=status)

    command = commands.add_parser("check", help="say how the models and the database differ")
    _reading(command)
    command.set_defaults(run=check)

    command = commands.add_parser("history", help="list what has run on the database, when, and by whom")
    _reading(command)
    command.add_argument(
        "--accept", type=_revision, metavar="REV", help="accept the file of this revision as it is now"
    )
    command.set_defaults(run=history)

    command = commands.add_parser("squash", help="replace old revisions by one")
    command.add_argument(
        "--to", type=_revision, metavar="REV", default="head", help="the last one to replace (%(default)s)"
    )
    command.add_argument("--dry-run", action="store_true", help="prove it and print it; change no file")
    command.set_defaults(run=squash_chain)

    command = commands.add_parser("find", help="find the scenarios of the chain for some words")
    command.add_argument(
        "words", metavar="WORDS", nargs="+", help='what you want to do: "not null on a big table"'
    )
    command.add_argument("--json", action="store_true", help="print JSON, for a program")
    command.set_defaults(run=find_scenarios)

    command = commands.add_parser("rebase", help="if there are two heads, put yours after the other")
    command.add_argument(
        "revision", metavar="REV", nargs="?", default="", help="your head (default: git tells)"
    )
    command.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    command.set_defaults(run=rebase_own)

    options, rest = parser.parse_known_args(arguments)
    options.rest = rest
    if rest and options.run is not psql:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if options.run is measure:
        _refuse_a_mixture(parser, options)
    if options.run is deploy and options.json and not options.dry_run:
        parser.error("--json is for --dry-run: it prints the plan")
    # A name that the terminal's encoding does not have is printed even so.
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with clear_errors():
            _refuse_removed_directory()
            return int(options.run(options) or 0)
    except CommandError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        said = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print(f"error: {said}", file=sys.stderr)
    return 1


def _refuse_removed_directory() -> None:
    """Refuse a working directory that was removed: no program of PostgreSQL starts there.

    Raises:
        CommandError: it was.
    """
    try:
        Path.cwd()
    except FileNotFoundError:
        raise CommandError("the working directory is gone: cd to one that is there") from None


def sample(options: argparse.Namespace) -> int:
    """Fill the empty tables of the database. Print how many rows each got, and which one failed and why."""
    with connect(migration_engine()) as connection:
        filled = fill(connection, options.rows)
        connection.commit()
    width = max((len(table) for table in filled), default=0)
    for table, count in filled.items():
        print(f"{table:<{width}} {count:>12,} rows")
    for table, reason in filled.failed.items():
        print(f"not filled: {table}: {reason}", file=sys.stderr)
    if not filled and not filled.failed:
        print("nothing to fill: every table has rows, or there is no table (alembic upgrade head)")
    return 1 if filled.failed else 0


def url(_options: argparse.Namespace) -> None:
    """Print a URL that psql and most clients understand."""
    print(client.libpq_url(database_url()))


def psql(options: argparse.Namespace) -> int:
    """Open psql, with its own arguments."""
    return client.interact("psql", database_url(), *options.rest)


def stop(options: argparse.Namespace) -> None:
    """Stop the embedded server."""
    was_running = embedded.stop(remove=options.remove)
    print("stopped" if was_running else "was not running", "and removed" if options.remove else "")


def servers(options: argparse.Namespace) -> None:
    """List the data of embedded servers outside of their projects: in memory, or in root's folder."""
    for folder in embedded.folders():
        state = "running" if embedded.processes(folder.path) else "stopped"
        known = f"left: {folder.link} is gone" if folder.is_left() else f"of {folder.link}"
        owner = known if folder.link else "of a project that is not known"
        size = f"{folder.size() / 2**20:,.0f} MB"
        print(f"{folder.path}  {state:8}{size:>9}  {owner}")
        if options.clear and folder.is_left():
            embedded.clear(folder)
            print("    removed")


def index(_options: argparse.Namespace) -> None:
    """Write the index of scenarios, and the recorded ledger, into README.md."""
    if (FOLDER / readme.FILE).exists():
        readme.write(FOLDER / readme.FILE, FOLDER)


def copy_scenario(options: argparse.Namespace) -> None:
    """Copy a scenario, and print the paths of its files."""
    given = {kind: getattr(options, kind) for kind in ("table", "column", "key", "label", "member", "name")}
    wanted = copying.CopyOptions(
        options.scenario, given, options.id, options.to, options.url, options.head,
        only=options.only, same=options.same, anyway=options.anyway,
    )  # fmt: skip
    for path in copying.copy(
        wanted, ask=input if sys.stdin and sys.stdin.isatty() else None, say=partial(print, file=sys.stderr)
    ):
        print(path)


def measure(options: argparse.Namespace) -> None:
    """Measure the chain, and write, check or print the ledger."""
    if options.snapshot:
        size = ledger.Snapshot.load(options.snapshot)
        rows = options.rows or ledger.ROWS
        found = ledger.predict(size, start=options.start, rows=rows, progress=ledger.show_progress)
        print(ledger.predictions_as_json(found) if options.json else ledger.predictions(found))
    elif options.time:
        rows = options.rows or ledger.ROWS
        entries, _ = ledger.measure(start=options.start, rows=rows, timed=True, progress=ledger.show_progress)
        print(ledger.timings(entries, rows))
    elif options.json:
        entries, _ = ledger.measure(start=options.start, progress=ledger.show_progress)
        print(ledger.as_json(entries))
    else:
        ledger.update(options.start, check=options.check)


def review_revision(options: argparse.Namespace) -> int:
    """Print the verdict on one revision."""
    return review.show(options.revision, as_json=options.json)


def take_snapshot(options: argparse.Namespace) -> None:
    """Write how large the tables of the database are, and say which were never counted."""
    config = read_config(options.config)
    engine = make_engine(allowed_url(config), poolclass=NullPool)
    with quiet(), connect(engine) as connection:
        taken = ledger.Snapshot.take(connection, config)
    for table in taken.uncounted:
        print(f"warning: {table} was never analyzed, and counts as empty: ANALYZE it first", file=sys.stderr)
    if options.file:
        options.file.write_text(taken.dump(), encoding="utf-8")
    else:
        print(taken.dump(), end="")


def squash_chain(options: argparse.Namespace) -> None:
    """Squash the chain. In a dry run, print only the revision on stdout."""
    text = squash(project_config, options.to, dry_run=options.dry_run, say=partial(print, file=sys.stderr))
    if options.dry_run:
        print(text, end="")


def find_scenarios(options: argparse.Namespace) -> int:
    """Print the three scenarios that fit best, each with its files; exit with 1 if none fits."""
    found = find(revisions(), FOLDER, " ".join(options.words))[:3]
    if options.json:
        steps = [{"slug": s.slug, "title": s.title, "files": [str(r.path) for r in s.steps]} for s in found]
        print(json.dumps(steps, indent=2))
        return 0 if found else 1
    for scenario in found:
        print(f"{scenario.slug}: {scenario.title}")
        for step in scenario.steps:
            print(f"    {step.path.relative_to(ROOT)}")
    if not found:
        print("nothing found: other words?", file=sys.stderr)
    return 0 if found else 1


def rebase_own(options: argparse.Namespace) -> None:
    """Show the change to the files, ask, and make it."""

    def confirm(change: str) -> bool:
        print(change)
        must_be_able_to_ask(yes=options.yes)
        return options.yes or confirmed("Make this change?")

    print(rebase(project_config(), options.revision, confirm=confirm))


def deploy(options: argparse.Namespace) -> int:
    """Take a database to a revision, step by step."""
    # Imported here: the other commands work even if the models cannot be imported.
    from migrate.operate.deploy import Deploy, DeployOptions

    return Deploy(
        DeployOptions(
            config=options.config,
            folder=options.backup_dir,
            yes=options.yes,
            to=options.to,
            dry_run=options.dry_run,
            plan=options.plan,
            as_json=options.json,
            no_backup=options.no_backup,
        )
    ).run()


def rollback(options: argparse.Namespace) -> int:
    """Take a database back."""
    common = {"config": options.config, "folder": options.backup_dir, "yes": options.yes}
    if options.backup:
        return Restore(RestoreOptions(**common, backup=options.backup, into=options.into)).run()
    return Downgrade(DowngradeOptions(**common, to=options.to)).run()


def smoke_test(options: argparse.Namespace) -> None:
    """Run the usual smoke test, and print how many models it has read."""
    from migrate.operate import smoke

    print(f"{smoke.test(read_config(options.config))} models can be read")


def status(options: argparse.Namespace) -> int:
    """Say where the database is."""
    # Imported here: the other commands work even if the models cannot be imported.
    from migrate.operate.status import show

    return show(options.config, as_json=options.json)


def check(options: argparse.Namespace) -> int:
    """Say how the models and the database differ."""
    # Imported here: the other commands work even if the models cannot be imported.
    from migrate.operate.check import show

    return show(options.config, as_json=options.json)


def history(options: argparse.Namespace) -> None:
    """List what has run, or accept a file that has changed."""
    if options.accept:
        accept_file(options.config, options.accept)
    else:
        show_history(options.config, as_json=options.json)


def _refuse_a_mixture(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End with one line where options of `ledger` do not go together."""
    if options.rows and not options.time:
        parser.error("--rows is for --time: the other measurements do not depend on it")
    if options.snapshot and not options.time:
        parser.error("--snapshot is for --time")
    if options.time and options.check:
        parser.error("--time writes and checks nothing: leave out --check")
    if options.time and options.json and not options.snapshot:
        parser.error("--time prints JSON with --snapshot")


def _reading(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config", type=Path, default=development_config(), help="the ini file (%(default)s)"
    )
    command.add_argument("--json", action="store_true", help="print it for a program")


def _operation(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, default=default_config(), help="the ini file (%(default)s)")
    command.add_argument(
        "--backup-dir", type=Path, metavar="DIR", help="for backups, SQL and logs (as the ini file says)"
    )
    command.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def _revision(text: str) -> str:
    if not text.strip():  # of a variable that a script has not set: Alembic ends with a traceback
        raise argparse.ArgumentTypeError("it is empty: give a revision, such as head")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 100_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 100,000,000")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
