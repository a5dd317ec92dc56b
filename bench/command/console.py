"""The frame around every command: users' mistakes become one sentence on stderr and exit code 2."""

from __future__ import annotations

import codecs
import errno
import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, cast

import typer

from tickets.errors import UserError
from tickets.plain import plain

USAGE_ERROR = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[2])
"""Click's base class, wherever this typer keeps click; typed as the one below it that typer names."""

INTERRUPTED = 130
SIGNALLED = 128
"""What a signal's number is added to as an exit code."""
PLAIN = "ticketbench-plain"
INSTEAD = {"±": "+-", "×": "x", "–": "-", "—": "-", "−": "-", "…": "...", "→": "->", "≥": ">=", "’": "'"}  # noqa: RUF001
"""What stands for signs that an output cannot show; a question mark for others."""


@contextmanager
def uncollected() -> Iterator[None]:
    """Without Python's search for cycles: among the objects of a hundred thousand records, which hold none, it takes a
    third of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def application(cls: type[typer.core.TyperGroup] | None = None, completion: bool = False) -> typer.Typer:
    """An app for one command, or for a group of class `cls`, whose help joins the lines of a paragraph.

    Args:
        cls: the group's class; None for the plain one.
        completion: whether it has options that install completion in a shell.
    """
    return typer.Typer(cls=cls, add_completion=completion, pretty_exceptions_enable=False, rich_markup_mode="markdown")


def command(app: typer.Typer) -> Any:
    """An app's command as click has it; its help, and that of its subcommands, is asked for by -h, too."""
    found = typer.main.get_command(app)
    found.context_settings = {**found.context_settings, "help_option_names": ["-h", "--help"]}
    return found


def call(app: typer.Typer, words: Sequence[str], given: Any = None) -> None:
    """Run a command in a process that goes on.

    Args:
        app: of one command.
        words: its arguments.
        given: what its context has as `obj`.

    Raises:
        UserError: also for what is wrong in the arguments.
    """
    found = command(app)
    try:
        with found.make_context(found.name, list(words), obj=given) as context:
            found.invoke(context)
    except USAGE_ERROR as error:
        raise UserError(_sentence(error)) from error


def main(app: typer.Typer, prog: str, args: Sequence[str] | None = None) -> NoReturn:
    """Run a typer app and leave the process with its exit code.

    Codes: 0 done; 1 the command itself says that something failed or is stale (`typer.Exit(1)`); 2 a wrong
    request, told on stderr as one sentence that starts with "error: "; 130 interrupted, 143 and 129 ended by
    SIGTERM and SIGHUP. Any other exception is a bug and keeps its traceback.

    Args:
        app: the application; its commands return None.
        prog: how the user calls it, as in "python -m bench.table"; shown in help and in messages.
        args: the arguments; default those of the process.

    Raises:
        SystemExit: always.
    """
    _have_streams()
    _write_anything()
    with _ending():
        code = _code(app, prog, args)
    _let_go()
    sys.exit(code)


def _code(app: typer.Typer, prog: str, args: Sequence[str] | None) -> int:
    """Run an app; its exit code, what was wrong having been told."""
    try:
        code = command(app).main(args=args, prog_name=prog, standalone_mode=False)
        sys.stdout.flush()
        if code == INTERRUPTED:
            code = _refuse("interrupted.", code=INTERRUPTED)
    except UserError as error:
        code = _refuse(str(error))
    except USAGE_ERROR as error:
        context = getattr(error, "ctx", None)
        code = _refuse(f"{_sentence(error)} See {context.command_path if context else prog} --help.")
    except (KeyboardInterrupt, typer.Abort):
        code = _refuse("interrupted.", code=INTERRUPTED)
    except Ended as end:
        code = _refuse(f"ended by {end.signal.name}.", code=SIGNALLED + end.signal)
    except BrokenPipeError:  # as in "| head": nobody reads any more
        code = 1
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            code = _refuse(f"the name {str(error.filename)[:60]}... is too long for this system; give a shorter one.")
        elif error.filename is not None:  # not one of the streams
            raise
        else:
            code = _refuse(f"the output cannot be written ({error.strerror or error}); give it another place.", code=1)
    return code if isinstance(code, int) else 0


class Ended(BaseException):
    """The process was asked to end by a signal: no error, and nothing is to be caught.

    Args:
        signal: by which.
    """

    def __init__(self, signal: signal.Signals) -> None:
        super().__init__(signal.name)
        self.signal = signal


@contextmanager
def _ending() -> Iterator[None]:
    """SIGTERM and SIGHUP raise `Ended` in the block, unless they are ignored, as nohup has it."""
    found = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in found}
    is_main = threading.current_thread() is threading.main_thread()
    heeded = [number for number, how in before.items() if is_main and how != signal.SIG_IGN]

    def end(number: int, frame: object) -> None:
        for each in heeded:
            signal.signal(each, signal.SIG_IGN)  # once is enough: what is left to do takes a few seconds
        raise Ended(signal.Signals(number))

    for number in heeded:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, before[number])


def _have_streams() -> None:
    """Give a process whose output or errors were closed by its starter somewhere to write them to."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115


def _let_go() -> None:
    """Keep the interpreter's last flush quiet where a stream takes nothing any more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _write_anything() -> None:
    """Have signs that an output's encoding lacks stand as ones that it has: no table is lost for a plus-minus."""
    codecs.register_error(PLAIN, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "backslashreplace"):
            stream.reconfigure(errors=PLAIN)


def _plain(error: UnicodeError) -> tuple[str, int]:
    """A codec's answer to signs that it cannot write."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(INSTEAD.get(sign, "?") for sign in signs), error.end


def _sentence(error: typer.BadParameter) -> str:
    """A usage error as one line that ends with a full stop."""
    text = " ".join(error.format_message().split()) or "no command was given"
    return text[0].lower() + text[1:].rstrip(".") + "." if not text.endswith("?") else text


def _refuse(message: str, code: int = 2) -> int:
    with suppress(OSError):
        print(f"error: {plain(' '.join(message.split()))}", file=sys.stderr)
    return code
