"""Settings that cannot work are refused with a sentence."""

from typing import Any

import pytest

from hive_calls.settings import CallSettings
from hive_contracts.errors import ConfigurationError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"modules": ("my-module",)}, "'my-module' is not the name of a module"),
        ({"modules": ("",)}, "'' is not the name of a module"),
        ({"grace_seconds": -1.0}, "calls.grace_seconds is -1.0; it must not be negative"),
        ({"max_child_calls": 0}, "calls.max_child_calls is 0; it must be at least 1"),
        ({"idle_seconds": 0.0}, "calls.idle_seconds is 0.0; it must be greater than 0"),
    ],
)
def test_a_setting_out_of_its_range_is_named(settings: dict[str, Any], message: str):
    with pytest.raises(ConfigurationError, match=message):
        CallSettings(**settings)
