"""`hive send`: have a task that runs read something."""

from pathlib import Path
from typing import Annotated

import typer

from hive.options import Options, with_options
from hive.running import run_main

__all__ = ["EPILOG", "send"]

EPILOG = (
    "Sent are first TEXT as it is, then the file, then the keys, then the end. Keys: enter, tab,"
    " escape, space, backspace, delete, insert, up, down, left, right, home, end, page-up,"
    " page-down, ctrl-a to ctrl-z. Returns once the task's worker has all of it; `hive audit` tells"
    " who sent how much, and never what."
)


@with_options
def send(
    options: Options,
    task: Annotated[int, typer.Argument(metavar="ID", help="The task.")],
    text: Annotated[str, typer.Argument(metavar="[TEXT]", help="What to send.")] = "",
    *,
    file: Annotated[
        str | None, typer.Option("--file", metavar="FILE|-", help="Send what is in it.")
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="NAME", help="Press a key, as in enter; repeatable."),
    ] = None,
    eof: Annotated[bool, typer.Option("--eof", help="Nothing more will come.")] = False,
) -> None:
    """Send text to be read by a task that was submitted with --stdin open or --pty.

    Example: hive send 7 yes --key enter
    """
    from hive.standard_input import read_standard_input  # noqa: PLC0415
    from hive.talking.sending import Message, send  # noqa: PLC0415
    from hive_contracts.errors import ConfigurationError  # noqa: PLC0415

    data = text.encode(errors="surrogateescape")
    if file is not None:
        try:
            data += read_standard_input() if file == "-" else Path(file).read_bytes()
        except OSError as error:
            raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    if not (data or key or eof):
        raise ConfigurationError("say what to send: TEXT, --file, --key or --eof")
    message = Message(data=data, keys=tuple(key or ()), is_end=eof)
    run_main(send(options.settings(), task, message))
