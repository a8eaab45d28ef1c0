"""Write docs/metrics.md from the catalogue of metrics (`make docs`)."""

from pathlib import Path

from hive_telemetry.catalogue import DURATION_BUCKETS_SECONDS, METRICS

TARGET = Path(__file__).parents[1] / "docs" / "metrics.md"

HEAD = """\
# Metrics

Drawn from `hive_telemetry.catalogue` by `make docs`.

A queen shows its metrics at `/metrics` when `queen.metrics_port` is set, a worker when
`worker.metrics_port` is. A value that is not known is absent, never 0.

| metric | type | labels | what it means |
| --- | --- | --- | --- |
"""


def page() -> str:
    """Return the page, as Markdown."""
    rows = [
        f"| `{m.name}` | {m.type} | {', '.join(f'`{label}`' for label in m.labels)} | {m.help} |"
        for m in METRICS
    ]
    bounds = ", ".join(f"{bound:g}" for bound in DURATION_BUCKETS_SECONDS)
    return HEAD + "\n".join(rows) + f"\n\nHistograms have the bounds {bounds} seconds.\n"


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
