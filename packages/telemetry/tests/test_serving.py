import socket
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from hive_contracts.errors import ConfigurationError
from hive_telemetry.metrics import Metrics
from hive_telemetry.serving import serve


def test_metrics_are_shown_while_the_context_is_open_and_no_longer() -> None:
    metrics = Metrics()
    metrics.stale_writes(3)
    with serve(metrics, port=0) as port, urlopen(_page(port), timeout=5) as answer:
        assert b"hive_stale_writes_total 3.0" in answer.read()
    with pytest.raises(URLError, match="refused"):
        urlopen(_page(port), timeout=5)


def test_a_taken_port_is_refused_by_its_number() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(ConfigurationError, match=rf"127\.0\.0\.1:{port}: .*in use"),
            serve(Metrics(), port=port),
        ):
            pass


def _page(port: int) -> str:
    return f"http://127.0.0.1:{port}/metrics"
