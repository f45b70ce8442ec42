"""The commands of the ini file that a deploy runs: maintenance mode, the smoke test."""

import logging
import os
import signal
import subprocess
import sys
import tempfile
from urllib.parse import quote

from alembic.util import CommandError

from database import ROOT, configured_url
from migrate.run.signals import times_told
from postgres import client
from postgres.client import signals_held_back

log = logging.getLogger("migrate")


class HookError(CommandError):
    """A command failed. The message says how."""


def execute(command: str, **environment: str) -> None:
    """Run a command in a shell, in the project's folder, and log its output, without passwords.

    Args:
        command: the command for the shell.
        environment: variables to add.

    Raises:
        HookError: its exit code is not 0.
    """
    # Not a pipe: a server that the command starts would inherit it, and we would wait for the server.
    with tempfile.TemporaryFile() as output:
        process = None
        try:
            with signals_held_back():
                process = subprocess.Popen(  # noqa: S602  (a line of the ini file, for a shell)
                    command,
                    shell=True,
                    cwd=ROOT,
                    env={**os.environ, **environment},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            code = _code(process)
        except BaseException:
            if process:
                _end(process)
            raise
        finally:
            output.seek(0)
            for line in output.read().decode(errors="replace").splitlines():
                log.info("    | %s", without_passwords(line))
    if code:
        raise HookError(f"`{without_passwords(command)}` failed with exit code {code}")


def _code(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end of the shell, and return its exit code.

    Raises:
        KeyboardInterrupt: a signal came, even one that is only counted.
    """
    told = times_told()
    while True:
        try:
            return process.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            if times_told() > told:
                raise KeyboardInterrupt from None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the shell, and the processes that it has started; kill them if they do not end."""
    if sys.platform == "win32":
        process.terminate()
    elif process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(client.END_SECONDS)
    except subprocess.TimeoutExpired:
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def without_passwords(line: str) -> str:
    """Return a line with *** in the place of the database's passwords."""
    urls = (configured_url(), configured_url(for_migrations=True))
    secrets = {secret for url in urls if url for secret in client.secrets(url)}
    for secret in secrets | {quote(secret, safe="") for secret in secrets}:
        line = line.replace(secret, "***")
    return line
