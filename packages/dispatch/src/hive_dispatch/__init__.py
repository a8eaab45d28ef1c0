"""Bundles of leased tasks from queens to workers, over arq.

`sender.BundleSender` is the queen's end, `receiver.BundleReceiver` the worker's.
"""

__all__: list[str] = []
