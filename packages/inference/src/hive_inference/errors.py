r"""Everything that this package raises on purpose.

InferenceError
├── WeightsError          a file of weights is not what the model needs; names the tensor
├── UnknownModelError     no model of that name is registered
├── RequestError          a request that cannot be served as it stands; change it
├── FullError             the queue is full; ask again later
└── LostError             the process that served the request is gone; ask again

The first three do not go away by trying again; the last two do.
"""

__all__ = [
    "FullError",
    "InferenceError",
    "LostError",
    "RequestError",
    "UnknownModelError",
    "WeightsError",
]


class InferenceError(Exception):
    """Base of every error that this package raises on purpose."""


class WeightsError(InferenceError):
    """A file of weights is damaged, or is not of the model that was asked for."""


class UnknownModelError(InferenceError):
    """No model of that name is registered; the message lists those that are.

    Of a name that could be had, it says how.
    """

    def __init__(self, name: str, known: tuple[str, ...], way_to_get: str | None = None) -> None:
        listed = ", ".join(known) or "none"
        way = f"; {name} comes by `{way_to_get}`" if way_to_get else ""
        super().__init__(f"there is no model {name!r}; the models here are: {listed}{way}")
        self.name = name


class RequestError(InferenceError):
    """A request that cannot be served as it stands; the message names what is wrong with it."""


class FullError(InferenceError):
    """The queue is full."""

    def __init__(self, capacity: int) -> None:
        super().__init__(f"the queue is full: {capacity} requests wait already; ask again later")
        self.capacity = capacity


class LostError(InferenceError):
    """The process that served the request is gone, and what it had computed with it."""
