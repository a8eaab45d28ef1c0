"""A coding agent without a model: for trying out all that agents do, and do wrong.

Its prompt is its script: each line that begins with `@` is an act, done in order (`acts`). Without
any it answers what it was asked and ends well. It speaks as claude, codex and gemini do, or plainly
(`speaking`); it needs no key and no network, and does the same each time for the same `--seed`.
"""
