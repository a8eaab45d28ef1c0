"""`hive budget`, and what was spent where people look."""

import json

import pytest

from hive.agents.ordering import read_budget
from hive.money import read_amounts, show_amounts, show_money, show_spent
from hive_contracts.errors import ConfigurationError
from hive_contracts.ids import TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.spending import Budget, BudgetScope, Spending, Spent
from hive_contracts.states import Move
from hive_store.worker_store import Ending
from hive_testkit.desk import Desk
from hive_testkit.ground import Ground

ALL = Budget(scope=BudgetScope.ALL)


async def _spend(ground: Ground) -> list[TaskId]:
    """One task spends two dollars, one what nobody knows, and one is set aside."""
    first, second, third = await ground.lease(3, group="g")
    priced = Spending(microdollars=2_000_000, input_tokens=1000, output_tokens=500, turns=3)
    await ground.worker.spend([(first.task.id, first.task.lease_id, priced)])
    unpriced = Spending(input_tokens=10, turns=1)
    await ground.worker.spend([(second.task.id, second.task.lease_id, unpriced)])
    starts = await ground.worker.start([(third.task.id, third.task.lease_id)])
    reason, until = starts.spent[third.task.id]
    park = Ending(
        third.task.id, third.task.lease_id, Move.PARK, OutcomeName.RELEASED, error=reason,
        until=until,
    )  # fmt: skip
    over = Ending(first.task.id, first.task.lease_id, Move.FAIL, OutcomeName.BUDGET, error=reason)
    await ground.worker.finish([park, over])
    return [first.task.id, second.task.id, third.task.id]


def test_a_budget_is_set_spent_raised_and_lifted(desk: Desk) -> None:
    done = desk("budget", "set", "--group", "g", "1.5usd", "1Mtokens")
    assert (done.returncode, done.stderr) == (0, "hive: budget group:g holds from now on\n")
    first, second, third = desk.do(_spend)

    shown = desk("show", str(first)).stdout
    assert "spent     2.00 USD, 1,500 tokens, 3 turns" in shown
    assert "failed (over budget)" in shown
    assert "spent     price unknown, 10 tokens, 1 turn" in desk("show", str(second)).stdout
    waits = " ".join(desk("show", str(third)).stdout.split())
    assert "budget group:g is used up: 2.00 USD of 1.50 USD" in waits
    assert json.loads(desk("show", str(third), "--json").stdout)["spent"] is None

    line = "budget group:g: 2.00 USD and more, price unknown of 1.50 USD, 1,510 of 1,000,000 tokens"
    assert f"{line}; used up" in desk("status").stdout
    group = desk("group", "show", "g").stdout
    assert "spent: 2.00 USD and more, price unknown, 1,510 tokens, 4 turns" in group
    assert line in group
    assert "group:g" in desk("budget", "list").stdout
    [plain] = json.loads(desk("budget", "list", "--json").stdout)
    assert (plain["name"], plain["is_used_up"]) == ("group:g", True)
    assert plain["spent"]["microdollars"] == 2_000_000

    done = desk("budget", "set", "--group", "g", "60usd")
    assert "holds from now on; 1 task that it had set aside goes on" in done.stderr
    assert "set budget" in desk("audit").stdout
    assert desk("budget", "remove", "--group", "g").returncode == 0
    done = desk("budget", "remove", "--group", "g")
    assert done.returncode == 2
    assert "there is no budget group:g" in done.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("set", "5usd"), "one of --group, --queue and --all"),
        (("set", "--all", "--queue", "q", "5usd"), "one of --group, --queue and --all"),
        (("set", "--all", "five"), "AMOUNT is 'five'; write it like 60usd"),
        (("set", "--all", "5usd,6usd"), "says twice how many usd"),
        (("set", "--all", "1.5turns"), "AMOUNT is '1.5turns'; turns are whole"),
        (("set", "--all", "9000000000Mtokens"), "from 0 to 1,000,000,000,000,000 tokens, not 9,"),
        (("set", "--all", "9000000000usd"), "from 0 to 1,000,000,000 dollars, not 9,000,000,000"),
    ],
)
def test_what_is_no_budget_is_refused(desk: Desk, words: tuple[str, ...], reason: str) -> None:
    done = desk("budget", *words)
    assert done.returncode == 2
    assert reason in done.stderr


def test_amounts_are_read_exactly() -> None:
    found = read_amounts(ALL, ["0.1 usd,2.5ktokens", "7 turns"], flag="--budget")
    assert (found.microdollars, found.tokens, found.turns) == (100_000, 2500, 7)
    with pytest.raises(ConfigurationError, match="--budget is '1e3usd'"):
        read_amounts(ALL, ["1e3usd"], flag="--budget")


def test_a_budget_of_an_agent_is_written_as_any_other() -> None:
    assert read_budget(["0.5usd", "2Mtokens", "1turn", "2m"]) == {
        "usd": 0.5, "tokens": 2_000_000, "turns": 1, "seconds": 120,
    }  # fmt: skip
    with pytest.raises(ConfigurationError, match=r"--budget is '1\.5turns'; turns are whole"):
        read_budget(["1.5turns"])


def test_an_agent_that_is_told_nothing_is_refused_in_words(desk: Desk) -> None:
    done = desk("agent", "--profile", "scripted", " ")
    assert "prompt says nothing" in done.stderr
    assert "prompt says nothing" in desk("agent", "--profile", "scripted", "").stderr


def test_what_nobody_knows_is_never_nothing() -> None:
    unknown = Spent(microdollars=0, tokens=None, turns=None, unpriced=2)
    assert show_spent(unknown) == "price unknown"
    assert show_amounts(read_amounts(ALL, ["5usd"], flag=""), unknown) == (
        "price unknown of 5.00 USD"
    )
    assert [show_money(n) for n in (0, 350, 99_999, 1_234_567_890)] == [
        "0.00 USD", "0.00035 USD", "0.099999 USD", "1,234.57 USD",
    ]  # fmt: skip


def test_a_map_may_be_given_a_budget_for_all_its_tasks(desk: Desk) -> None:
    words = ("map", "--group", "lint", "--budget", "5usd,1ktokens", "--", "echo", "{}")
    assert desk.console(*words, stdin=b"").returncode == 0
    [row] = desk.sql("select name, microdollars, tokens from hive.budget")
    assert tuple(row) == ("group:lint", 5_000_000, 1000)
    done = desk("map", "--budget", "much", "--", "echo", "{}")
    assert done.returncode == 125
    assert "--budget is 'much'; write it like 60usd" in done.stderr
