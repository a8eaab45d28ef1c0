"""What is written of an outcome."""

from hive_contracts.outcomes import Asked
from hive_worker.told import options_of


def test_options_that_nobody_could_type_are_left_out() -> None:
    asked = Asked("Q", ("", "yes", "-", "no\x1b[2J", "\ud800", "a\nb", "yes", "-n", "ü" * 300))
    assert options_of(asked) == ("yes", "-n", "ü" * 200)
    assert options_of(Asked("Q", ("",))) == ()
    assert len(options_of(Asked("Q", tuple(f"{n}" for n in range(30))))) == 20
