"""`hive webhook`: have events delivered to addresses by HTTP."""

from pathlib import Path
from typing import Annotated, Final

import typer

from hive.completing import kinds, queues
from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["app"]

EPILOG: Final = (
    "Whoever may add a webhook makes a queen send requests from her machine to any address that she"
    " can reach, also inside her network: that is who owns Hive's tables; no role of `hive roles`."
)

app: Final = typer.Typer(
    help=(
        "Have events delivered to addresses by HTTP.\n\n"
        "Example: hive webhook add https://example.com/hive --type failed,lost"
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Webhook = Annotated[int, typer.Argument(metavar="ID", min=1, help="Of the webhook.")]


@app.command(epilog=EPILOG)
@with_options
def add(
    options: Options,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to deliver.")],
    *,
    types: Annotated[
        str | None, typer.Option("--type", metavar="T,...", help="Only of these types.")
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="NAME", help="Only of tasks of this group.")
    ] = None,
    queue: Annotated[
        str | None,
        typer.Option("--queue", metavar="NAME", help="Of this queue.", autocompletion=queues),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--kind", metavar="NAME", help="Of this kind.", autocompletion=kinds),
    ] = None,
    secret_file: Annotated[
        Path | None,
        typer.Option(
            "--secret-file",
            metavar="FILE",
            help="Sign with the secret in FILE, which is made if it is not there.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Deliver what happens from now on to URL; print the webhook's id.

    Example: hive webhook add https://example.com/hive --type failed,lost --secret-file hive.secret
    """
    from hive.looking.sieve import read_types  # noqa: PLC0415
    from hive.webhooks import add_webhook  # noqa: PLC0415
    from hive_store import EventFilter  # noqa: PLC0415

    wanted = EventFilter(types=read_types(types), group=group, queue=queue, kind=kind)
    run_main(add_webhook(options.settings(), url, wanted, secret_file, is_json=json))


@app.command("list")
@with_options
def list_webhooks(options: Options, *, json: Json = False) -> None:
    """List webhooks, and how they fare.

    Example: hive webhook list
    """
    from hive.webhooks import show_webhooks  # noqa: PLC0415

    run_main(show_webhooks(options.settings(), is_json=json))


@app.command()
@with_options
def remove(options: Options, webhook: Webhook) -> None:
    """Remove a webhook, with what is pending.

    Example: hive webhook remove 3
    """
    from hive.webhooks import remove_webhook  # noqa: PLC0415

    run_main(remove_webhook(options.settings(), webhook))


@app.command()
@with_options
def pause(options: Options, webhook: Webhook) -> None:
    """Deliver nothing more until `resume`; what happens meanwhile is delivered then.

    Example: hive webhook pause 3
    """
    from hive.webhooks import pause_webhook  # noqa: PLC0415

    run_main(pause_webhook(options.settings(), webhook))


@app.command()
@with_options
def resume(
    options: Options,
    webhook: Webhook,
    *,
    skip: Annotated[
        bool, typer.Option("--skip", help="Give up the delivery that is pending.")
    ] = False,
) -> None:
    """Deliver again, at once, to a webhook that was paused or waits after a failure.

    Example: hive webhook resume 3 --skip
    """
    from hive.webhooks import resume_webhook  # noqa: PLC0415

    run_main(resume_webhook(options.settings(), webhook, skips=skip))


@app.command()
@with_options
def test(options: Options, webhook: Webhook) -> None:
    """Send a delivery without events from here, and say what was answered.

    Example: hive webhook test 3
    """
    from hive.webhooks import try_webhook  # noqa: PLC0415

    if not run_main(try_webhook(options.settings(), webhook)):
        raise typer.Exit(1)


@app.command()
@with_options
def deliveries(
    options: Options,
    webhook: Webhook,
    *,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="So many last ones.")
    ] = 20,
    json: Json = False,
) -> None:
    """List the last deliveries to a webhook, the latest first.

    Example: hive webhook deliveries 3 --limit 5
    """
    from hive.webhooks import show_deliveries  # noqa: PLC0415

    run_main(show_deliveries(options.settings(), webhook, limit=limit, is_json=json))
