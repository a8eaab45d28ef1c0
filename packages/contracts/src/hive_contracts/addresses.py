"""Addresses of servers, fit to be shown: in messages, logs and tables no URL has its password."""

import re
from typing import Final
from urllib.parse import parse_qs, urlsplit

__all__ = ["redis_tls_options", "without_password"]

IN_PLACE: Final = re.compile(r"(?<=://)([^:@/]*):.*@", re.DOTALL)
"""Up to the last @: a password with an @ or a / that should have been quoted is hidden as well."""

IN_QUERY: Final = re.compile(r"(?<=[?&])((?:ssl)?pass(?:word|file)=)[^&]*")

SECRET: Final = re.compile(r"@|pass", re.IGNORECASE)
"""What stands beside a password in a text that is no URL: `host=db password=...`."""


def without_password(url: str) -> str:
    """Return `url` with every password in it replaced by ***; `that URL` if it cannot be read."""
    try:
        urlsplit(url)
    except ValueError:
        return "that URL"
    if "://" not in url and SECRET.search(url):
        return "that URL"
    return IN_QUERY.sub(r"\1***", IN_PLACE.sub(r"\1:***@", url))


def redis_tls_options(url: str) -> dict[str, bool]:
    """Return what redis-py must be told of TLS beside `url`: to ask whose certificate it is shown.

    By itself it takes any certificate of a known authority for the server's. The URL has the last
    word: with `ssl_cert_reqs=none` nothing is asked, and `ssl_check_hostname=false` says so itself.
    """
    parts = urlsplit(url)
    asks_nothing = parse_qs(parts.query).get("ssl_cert_reqs") == ["none"]
    return {} if parts.scheme != "rediss" or asks_nothing else {"ssl_check_hostname": True}
