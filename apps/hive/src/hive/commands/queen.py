"""`hive queen`: hand out work."""

from hive.options import Options, with_options

__all__ = ["queen"]


@with_options
def queen(options: Options) -> None:
    """Hand queued tasks to workers, until told to stop. Any number of queens may run.

    Example: hive queen --set queen.metrics_port=9464
    """
    import uvloop  # noqa: PLC0415 - `hive --help` must not pay for it

    from hive.wiring import run_queen  # noqa: PLC0415

    uvloop.run(run_queen(options.settings()))
