"""Submit a task of an agent, tell what the agent says, and print its result."""

from hive.agents.telling import AgentVoice
from hive.printing import say, show
from hive.settings import Settings
from hive.submitting.running import run_and_watch
from hive.tasks.kinds import check_payload
from hive.tasks.reaching import open_reach
from hive_agents.profiles import Profile
from hive_contracts.tasks import NewTask

__all__ = ["run_agent"]


async def run_agent(
    settings: Settings, task: NewTask, profile: Profile, *, is_detached: bool
) -> int:
    """Submit a task of kind `agent`; watch it to its end, unless `is_detached`.

    Returns the exit code of `hive agent`.
    """
    if not is_detached:
        voice = AgentVoice(profile)
        return await run_and_watch(settings, task, is_verbose=True, sink=voice, on_end=voice.end)
    check_payload(task.kind, task.payload)
    async with open_reach(settings) as reach:
        [submitted] = await reach.hive.hand_in([task])
    show(str(submitted.id))
    say(f"hive: see `hive show {submitted.id}`, or `hive logs -f {submitted.id}`")
    return 0
