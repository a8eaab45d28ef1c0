"""Every metric and log line of Hive, declared in one place, and the loops that count their retries.

The only importer of prometheus_client and structlog.
"""
