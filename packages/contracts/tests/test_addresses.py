import pytest

from hive_contracts.addresses import without_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:s3cret@db:5432/hive", "postgresql://me:***@db:5432/hive"),
        ("redis://:s3cret@[::1]:6379/0", "redis://:***@[::1]:6379/0"),
        ("unix://:s3cret@/run/redis.sock?db=0", "unix://:***@/run/redis.sock?db=0"),
        ("unix:///run/redis.sock?db=1&password=s3cret", "unix:///run/redis.sock?db=1&password=***"),
        (
            "postgresql://me@/x?sslpassword=s3cret&user=u",
            "postgresql://me@/x?sslpassword=***&user=u",
        ),
        ("postgresql://me@/x?passfile=/s3cret", "postgresql://me@/x?passfile=***"),
        ("redis://:s3c/r@e?t@db:6379", "redis://:***@db:6379"),
        ("redis://[s3cret", "that URL"),
        ("postgres:/u:s3cret@x", "that URL"),
        ("host=x password=s3cret", "that URL"),
        ("nonsense", "nonsense"),
        ("mysql://me:s3cret@db", "mysql://me:***@db"),
    ],
)
def test_a_password_is_replaced_wherever_it_stands(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize(
    "url",
    ["postgresql://hive@/hive?host=/run&port=5432", "redis://db:6379/0", "unix:///run/s?db=0"],
)
def test_an_address_without_a_password_is_shown_as_it_is(url: str) -> None:
    assert without_password(url) == url
