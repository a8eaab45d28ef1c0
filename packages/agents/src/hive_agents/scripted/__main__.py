"""`python -m hive_agents.scripted`: reads a prompt from its standard input, and does what it says.

    --speak claude|codex|gemini|plain   how it speaks; claude if nothing is said
    --resume SESSION                    goes on where the session is in its script
    --max-turns N, --max-budget-usd USD, --allow TOOL    as claude has them
    --seed N                            what it does by chance, and how many tokens it uses

The variable SCRIPTED_AGENT has acts that are done before those of the prompt, and
SCRIPTED_AGENT_WITNESS names a file to which each run writes that it begins, and that it is done.
"""

import argparse
import hashlib
import os
import sys
import time
from random import Random

from hive_agents.scripted.acts import FOREVER_SECONDS, Play, script_in
from hive_agents.scripted.sessions import Session
from hive_agents.scripted.speaking import SPEAKERS

__all__ = ["main"]

NO_SESSION = 1


def main() -> int:
    """Play one run; return the exit code."""
    said = _arguments().parse_args()
    prompt = sys.stdin.read()
    session = _session(said.resume, prompt, said.seed)
    if session is None:
        sys.stderr.write(f"No conversation found with session ID: {said.resume}\n")
        return NO_SESSION
    play = Play(
        speaker=SPEAKERS[said.speak](),
        random=Random(f"{said.seed} {session.name} {session.done}"),  # noqa: S311 - a play, no secret
        answer=prompt.strip() if said.resume else "",
        max_turns=said.max_turns,
        max_usd=said.max_budget_usd,
        allowed=frozenset(said.allow),
        text=_reply_to(prompt),
    )
    play.witness("begin")
    if session.script[session.done : session.done + 1] != ["silent"]:
        play.speaker.begin(session.name)
    return _perform(play, session)


def _perform(play: Play, session: Session) -> int:
    while session.done < len(session.script) and play.ended is None:
        act = session.script[session.done]

        def keep() -> None:
            # What would happen again each time is behind the session before it happens.
            session.done += 1
            session.save()

        done_before = session.done
        play.keep = keep
        play.do(act)
        if session.done == done_before and play.ended is None:
            session.done += 1
            session.save()
    if play.ended is not None:
        return play.ended
    play.witness("end")
    if play.has_result:
        play.speaker.result(play.text, play.usage)
    if play.lingers:
        time.sleep(FOREVER_SECONDS)
    return play.exit_code


def _session(resumed: str | None, prompt: str, seed: int) -> Session | None:
    if resumed is not None:
        return Session.load(resumed)
    own = f"{seed} {os.environ.get('HIVE_TASK_ID')} {os.environ.get('HIVE_ATTEMPT')} {prompt}"
    digest = hashlib.sha256(own.encode(errors="replace")).hexdigest()[:32]
    acts = script_in(f"{os.environ.get('SCRIPTED_AGENT', '')}\n{prompt}")
    session = Session(name=digest, script=acts)
    session.save()
    return session


def _reply_to(prompt: str) -> str:
    lines = [line.strip() for line in prompt.splitlines() if line.strip()]
    words = next((line for line in lines if not line.startswith("@")), "the script")
    return f"Done: {words}"


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripted-agent", allow_abbrev=False)
    parser.add_argument("--speak", choices=[*SPEAKERS], default="claude")
    parser.add_argument("--resume", metavar="SESSION")
    parser.add_argument("--max-turns", type=int, metavar="N")
    parser.add_argument("--max-budget-usd", type=float, metavar="USD")
    parser.add_argument("--allow", action="append", default=[], metavar="TOOL")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    return parser


if __name__ == "__main__":
    sys.exit(main())
