import re
from dataclasses import fields
from pathlib import Path

import pytest

from hive.options import Options
from hive.reading import describe
from hive.settings import SECTIONS, Settings, load, setting_types
from hive.sources import environment_name
from hive_contracts.errors import ConfigurationError
from hive_process.parents_file import VARIABLE
from hive_process.procfs import MARKER


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project" / "deep"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def environment(tmp_path: Path, **variables: str) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home"), **variables}


def test_without_any_source_every_setting_has_its_default(tmp_path: Path) -> None:
    settings = load(environment=environment(tmp_path))
    assert settings.services.data_dir == tmp_path / "home" / ".local" / "state" / "hive"
    assert settings.database.url is None
    assert settings.worker.queues == ("default",)
    assert settings.given == {}
    assert settings.warnings == ()


def test_a_stronger_source_wins_and_a_silent_one_hides_nothing(tmp_path: Path) -> None:
    user = tmp_path / "home" / ".config" / "hive" / "hive.toml"
    user.parent.mkdir(parents=True)
    user.write_text("[worker]\nslots = 1\nprocesses = 2\ngrace_seconds = 3\nqueues = ['u']\n")
    project = tmp_path / "project" / "hive.toml"
    project.write_text("[worker]\nslots = 10\nprocesses = 20\ngrace_seconds = 30\n")
    settings = load(
        flags={"worker.slots": "1000", "worker.processes": None},
        environment=environment(tmp_path, HIVE_WORKER_SLOTS="100", HIVE_WORKER_PROCESSES="200"),
    )
    assert settings.worker.slots == 1000
    assert settings.worker.processes == 200
    assert settings.worker.grace_seconds == 30
    assert settings.worker.queues == ("u",)
    origins = {key: given.origin for key, given in settings.given.items()}
    assert origins == {
        "worker.slots": "the command line",
        "worker.processes": "HIVE_WORKER_PROCESSES",
        "worker.grace_seconds": str(project),
        "worker.queues": str(user),
    }


def test_xdg_directories_are_respected_if_they_are_absolute(tmp_path: Path) -> None:
    named = environment(tmp_path, XDG_STATE_HOME=str(tmp_path / "state"))
    assert load(environment=named).services.data_dir == tmp_path / "state" / "hive"
    relative = environment(tmp_path, XDG_STATE_HOME="state")
    home = tmp_path / "home"
    assert load(environment=relative).services.data_dir == home / ".local" / "state" / "hive"


def test_a_named_file_is_read_instead_of_the_project_s(tmp_path: Path) -> None:
    (tmp_path / "project" / "hive.toml").write_text("[worker]\nslots = 10\n")
    other = tmp_path / "other.toml"
    other.write_text("[log]\nlevel = 'debug'\n")
    settings = load(environment=environment(tmp_path), config=other)
    assert (settings.worker.slots, settings.log.level) == (4, "debug")
    assert settings.for_children() == {"HIVE_CONFIG": str(other)}
    by_variable = load(environment=environment(tmp_path, HIVE_CONFIG=str(other)))
    assert by_variable.log.level == "debug"


def test_a_named_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no configuration file .*absent\.toml"):
        load(environment=environment(tmp_path), config=tmp_path / "absent.toml")


def test_a_relative_path_in_a_file_is_relative_to_the_file(
    tmp_path: Path, empty_folder: Path
) -> None:
    (tmp_path / "project" / "hive.toml").write_text("[services]\ndata_dir = 'state'\n")
    in_file = load(environment=environment(tmp_path))
    assert in_file.services.data_dir == tmp_path / "project" / "state"
    in_flag = load(flags={"services.data_dir": "state"}, environment=environment(tmp_path))
    assert in_flag.services.data_dir == empty_folder / "state"


def test_the_short_name_of_the_data_directory_is_understood(tmp_path: Path) -> None:
    settings = load(environment=environment(tmp_path, HIVE_DATA_DIR="/somewhere"))
    assert settings.services.data_dir == Path("/somewhere")
    assert settings.warnings == ()


def test_an_empty_variable_counts_as_absent(tmp_path: Path) -> None:
    settings = load(environment=environment(tmp_path, HIVE_DATABASE_URL="", HIVE_WORKER_SLOTS=""))
    assert (settings.database.url, settings.worker.slots) == (None, 4)


def test_an_unknown_variable_is_only_warned_of(tmp_path: Path) -> None:
    named = environment(tmp_path, HIVE_WORKR_SLOTS="3", HIVE_TASK_ID="7", HIVES="2")
    assert load(environment=named).warnings == (
        "HIVE_WORKR_SLOTS is not a setting and is ignored; did you mean HIVE_WORKER_SLOTS?",
    )


def test_what_a_command_is_told_is_no_setting_that_is_warned_of(tmp_path: Path) -> None:
    docs = Path(__file__).parents[3] / "docs"
    pages = ("workspaces", "asking", "dependencies", "processes")
    text = "".join((docs / f"{page}.md").read_text() for page in pages)
    told = {*re.findall(r"\bHIVE_[A-Z_]+\b", text), MARKER.decode(), VARIABLE}
    told -= {environment_name(key) for key in setting_types()}
    assert len(told) > 10
    assert load(environment=environment(tmp_path, **dict.fromkeys(told, "1"))).warnings == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[worker]\nslot = 3", r"no setting 'worker\.slot', from .*; did you mean worker\.slots\?"),
        ("[wroker]\nslots = 3", r"no setting 'wroker\.slots', .*; did you mean worker\.slots\?"),
        ("slots = 3", "no setting 'slots', from "),
        ("[worker]\nslots = 'many'", r"worker\.slots is 'many', from .*toml; it must be a whole"),
        ("[worker]\nslots = '3'", "it must be a whole number"),
        ("[worker]\nslots = 2.5", "it must be a whole number"),
        ("[worker]\nslots = true", "it must be a whole number"),
        ("[worker]\ngrace_seconds = nan", "it must be a number"),
        ("[worker]\nqueues = 'a,b'", "it must be a list of texts"),
        ("[worker]\nqueues = ['a', 1]", "it must be a list of texts"),
        ("[log]\nlevel = 'loud'", "it must be debug, info, warning or error"),
        ("[database]\nurl = 5", "it must be text"),
        ("[worker]\nslots = 0", "worker.slots is 0"),
        ("[worker]\nheartbeat_seconds = 8", "a lease must outlast|heartbeat"),
        ("[worker", r"hive\.toml cannot be read"),
    ],
)
def test_what_a_file_says_wrongly_is_refused_in_a_sentence(
    text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "project" / "hive.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        load(environment=environment(tmp_path))


def test_text_from_flags_and_variables_is_read_by_the_setting_s_type(tmp_path: Path) -> None:
    settings = load(
        flags={"worker.queues": "urgent, default", "queen.metrics_port": "0"},
        environment=environment(tmp_path, HIVE_WORKER_GRACE_SECONDS="2.5"),
    )
    assert settings.worker.queues == ("urgent", "default")
    assert settings.queen.metrics_port == 0
    assert settings.worker.grace_seconds == 2.5


def test_children_are_told_what_the_flags_said(tmp_path: Path) -> None:
    settings = load(
        flags={"worker.slots": "8"}, environment=environment(tmp_path, HIVE_LOG_LEVEL="debug")
    )
    assert settings.for_children() == {"HIVE_WORKER_SLOTS": "8"}


def test_every_section_is_a_field_and_every_type_can_be_described() -> None:
    assert set(SECTIONS) <= {field.name for field in fields(Settings)}
    for key, kind in setting_types().items():
        section, _, name = key.partition(".")
        assert name in {field.name for field in fields(SECTIONS[section])}
        assert describe(kind)


def test_a_queen_that_would_take_a_living_worker_for_dead_is_refused(tmp_path: Path) -> None:
    flags = {"queen.lease_seconds": "8", "worker.heartbeat_seconds": "5"}
    with pytest.raises(ConfigurationError, match="taken for dead"):
        load(flags=flags, environment=environment(tmp_path))


def test_a_flag_that_is_not_given_does_not_hide_what_set_says() -> None:
    settings = Options(changes=["worker.slots=7"]).settings(worker__slots=None)
    assert settings.worker.slots == 7


def test_a_password_in_a_flag_is_warned_of_because_others_can_read_it() -> None:
    url = "redis://:" + "s3cret" + "@db"
    [warning] = load(flags={"redis.url": url}, environment={}).warnings
    assert "the redis.url on the command line has a password" in warning
    assert "HIVE_REDIS_URL" in warning
    assert "s3cret" not in warning
    assert load(flags={"redis.url": "redis://db"}, environment={}).warnings == ()
    assert load(environment={"HIVE_REDIS_URL": url}).warnings == ()


def test_a_refused_value_is_told_without_its_password(tmp_path: Path) -> None:
    (tmp_path / "project" / "hive.toml").write_text("[redis]\nurl = ['redis://:s3cret@db']\n")
    with pytest.raises(ConfigurationError, match=r"redis\.url is \['redis://:\*\*\*@db'\], from"):
        load(environment=environment(tmp_path))
