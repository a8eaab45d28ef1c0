"""Show this process's metrics to Prometheus, over HTTP at /metrics, from a thread of its own."""

from collections.abc import Generator
from contextlib import contextmanager

from prometheus_client.exposition import start_http_server

from hive_contracts.errors import ConfigurationError
from hive_telemetry.metrics import Metrics

__all__ = ["serve"]


@contextmanager
def serve(metrics: Metrics, *, port: int, host: str = "127.0.0.1") -> Generator[int]:
    """Answer scrapes until the context closes; the value is the port (`port` 0 picks a free one).

    Raises:
        ConfigurationError: the address cannot be listened on; the message names it.
    """
    try:
        server, thread = start_http_server(port, host, registry=metrics.registry)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(
            f"metrics cannot be served on {host}:{port}: {reason}; set queen.metrics_port or"
            " worker.metrics_port to a port that is free"
        ) from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
