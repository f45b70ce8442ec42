"""The ini file of Alembic: a broken one is named in one line, before anything runs."""

import io
from configparser import Error as ConfigParserError
from configparser import InterpolationError
from logging.config import fileConfig

from alembic.config import Config
from alembic.util import CommandError

# The sections besides Alembic's own whose values are read.
SECTIONS = ("migrate", "database", "deploy")
URL = "sqlalchemy.url"  # target.py reads it, and has words of its own


def checked(config: Config) -> Config:
    """Return a configuration whose file can be read, and that can print even where standard output is closed.

    Raises:
        CommandError: the file cannot be read, or a % of a value is not written %%.
    """
    try:
        known = config.file_config
        for section in {config.config_ini_section, *SECTIONS}.intersection(known.sections()):
            for option in set(known.options(section)) - {URL}:
                known.get(section, option)
    except InterpolationError as error:
        # The error's own message holds the value, which may hold a password.
        raise CommandError(
            f"{config.config_file_name}: [{error.section}] {error.option}: a % of the ini file is written "
            "%%; where it is in the path of its folder, Alembic cannot read the file: rename the folder"
        ) from None
    except (ConfigParserError, UnicodeDecodeError) as error:
        said = str(error).splitlines()[0]
        raise CommandError(f"{config.config_file_name} cannot be read: {said}") from error
    if not config.stdout:  # closed (>&-)
        config.stdout = io.StringIO()
        config.output_buffer = config.output_buffer or config.stdout
    return config


def set_up_logging(config: Config) -> None:
    """Log as the ini file says.

    Raises:
        CommandError: its sections for logging cannot be used, or a log cannot be written.
    """
    assert config.config_file_name is not None
    try:
        fileConfig(config.config_file_name, disable_existing_loggers=False)
    except CommandError:  # of our own handler, which says what to do
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise CommandError(
            f"{config.config_file_name}: logging cannot be set up ({said}): correct [loggers], [handlers], "
            "[formatters] and the sections that they name"
        ) from error
