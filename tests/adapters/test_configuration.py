from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from adapters.configuration import InvalidFile, json_schema, load, parse
from contracts.configuration import Configuration
from contracts.errors import ConfigurationInvalid
from tests.adapters.prices.test_price_table import HEADER, OWN

WHOLE = """\
environments:
  production: {approval: {quorum: 1}}
  development: {approval: {quorum: 0}}
targets:
  - {kind: gke.node_pool, project: acme-prod, location: europe-west4, cluster: serving, node_pool: "*",
     environment: production, team: inference, max_nodes_per_zone: 12}
budgets:
  - {scope: {environment: production}, window: month, limit: "40000", currency: USD, time_zone: Europe/Berlin}
limits: {cooldown: 0s, max_share: 1.0, effects_per_hour: 30}
"""


def faults(text: str) -> list[tuple[int, str]]:
    with pytest.raises(InvalidFile) as refused:
        parse(text, "sluice.yaml")
    return [(fault.line, fault.where) for fault in refused.value.faults]


LASTING = "time_zone: UTC, starts_at: 2026-12-18T18:00, ends_at: 2027-01-04T08:00"
MISSPELT = """
environments: {production: {}}
targets:
  - {kind: gke.node_pool, project: acme-prod, location: europe-west4, cluster: serving, node_pool: "*",
     environment: production, team: inference, max_nodes_per_zone: 12}
agents: {deployer: {owner: local/ana}}
"""


def test_the_promised_file_is_understood() -> None:
    configuration = parse(WHOLE)
    assert configuration.environments["production"].approval.quorum == 1
    assert configuration.budgets[0].limit == Decimal(40_000)
    assert configuration.limits.cooldown == timedelta(0)


def test_what_reads_calendars_is_loaded_where_a_window_names_one() -> None:
    root = Path(__file__).resolve().parents[2]
    code = (
        "import sys; from pathlib import Path; from adapters.configuration import load\n"
        "load(Path('local/practice.yaml'))\n"
        "assert 'icalendar' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, env={"PYTHONPATH": str(root)})


def test_the_practice_file_is_sound() -> None:
    assert load(Path("local/practice.yaml")).targets


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("0s", timedelta(0)),
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("1d12h", timedelta(hours=36)),
        ("1h30m", timedelta(minutes=90)),
        ("PT5M", timedelta(minutes=5)),
        ("30", timedelta(seconds=30)),
    ],
)
def test_durations_are_written_as_people_write_them(text: str, length: timedelta) -> None:
    assert parse(WHOLE.replace("cooldown: 0s", f"cooldown: {text}")).limits.cooldown == length


@pytest.mark.parametrize("text", ["5 minutes", "-5m", "-PT5M", "-300", "1h30", "m", '""', "[]", "yes"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    assert faults(WHOLE.replace("cooldown: 0s", f"cooldown: {text}")) == [(9, "limits.cooldown")]


def test_every_fault_is_named_at_once_with_its_line() -> None:
    text = (
        WHOLE.replace("quorum: 1", "quorum: 99")
        .replace("window: month", "window: year")
        .replace("max_share: 1.0", "max_shares: 1.0")
        .replace("environment: production, team", "environment: staging, team")
    )
    assert faults(text) == [
        (2, "environments.production.approval.quorum"),
        (6, "targets[0].environment"),
        (8, "budgets[0].window"),
        (9, "limits.max_shares"),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read"),
        (HEADER, "holds no price"),
        (OWN.replace("0.40", "free"), "own.csv:2: not a price row"),
    ],
)
def test_a_price_table_that_is_wrong_is_a_fault_of_the_file_that_names_it(
    tmp_path: Path, content: str | None, reason: str
) -> None:
    file = tmp_path / "sluice.yaml"
    file.write_text(f"{WHOLE}prices: {{table: own.csv, stale_after: soon}}\n")
    if content is not None:
        (tmp_path / "own.csv").write_text(content)
    with pytest.raises(InvalidFile, match=reason) as refused:
        load(file)
    assert [(one.line, one.where) for one in refused.value.faults] == [
        (10, "prices.stale_after"),
        (10, "prices.table"),
    ]


def test_a_message_has_file_line_key_and_reason() -> None:
    with pytest.raises(ConfigurationInvalid) as refused:
        parse(WHOLE.replace("effects_per_hour", "efects_per_hour"), "sluice.yaml")
    assert str(refused.value) == "sluice.yaml:9: limits.efects_per_hour: this key is not known"


def test_two_budgets_of_one_scope_and_window_are_refused_since_they_would_share_their_sums() -> None:
    line = '  - {scope: {environment: production}, window: month, limit: "1"}\n'
    with pytest.raises(InvalidFile, match="has a budget by month already"):
        parse(WHOLE.replace("limits:", line + "limits:"))


def test_a_notification_of_nothing_and_one_without_a_secret_are_refused() -> None:
    one = "  - {{url: https://hooks.example/{}, secret_file: {}, events: [{}]}}\n"
    text = f"{WHOLE}notifications:\n{one.format('a', 'key', '')}{one.format('b', repr(''), 'dirty')}"
    assert faults(text) == [(11, "notifications[0].events"), (12, "notifications[1].secret_file")]


def test_two_notifications_of_one_url_are_refused_since_one_would_never_be_told() -> None:
    one = "  - {{url: https://hooks.example/canary, secret_file: a, events: [{}]}}\n"
    text = f"{WHOLE}notifications:\n{one.format('waiting')}{one.format('dirty')}"
    with pytest.raises(InvalidFile, match="has an entry already") as refused:
        parse(text)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ("approval: {max_monthly_delta: }", "approval.max_monthly_delta"),
        ("approval:\n  max_monthly_delta: ~\n", "approval.max_monthly_delta"),
        (
            "windows:\n- {name: office, kind: allow, scope: {environment: , team: inference}, time_zone: UTC,"
            " cron: 0 9 * * *, duration: 8h}",
            "windows[0].scope.environment",
        ),
    ],
    ids=["a limit that would be none", "the same, as YAML says it", "an environment that would be any"],
)
def test_a_blank_means_neither_unlimited_nor_all(more: str, where: str) -> None:
    line = WHOLE.count("\n") + (2 if "\n" in more else 1)
    assert faults(WHOLE + more) == [(line, where)]


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("cooldown: 0s", "cooldown: 12:00", (9, "limits.cooldown")),
        ("effects_per_hour: 30", "effects_per_hour: 010", (9, "limits.effects_per_hour")),
        ("max_share: 1.0", "max_share: 1:30.5", (9, "limits.max_share")),
    ],
    ids=["12 minutes where somebody meant 12 hours", "8 where somebody meant 10", "a fraction to base 60"],
)
def test_a_number_that_yaml_reads_otherwise_than_people_is_refused(
    old: str, new: str, where: tuple[int, str]
) -> None:
    assert where in faults(WHOLE.replace(old, new))


@pytest.mark.parametrize(
    "scope",
    [
        "action_kind: gke.node_pool.resise",
        "target: gke.node_pool/acme-prod",
        "target: acme-prod/europe-west4/serving/inference",
        'target: "gke.node_pool/acme-prd/*"',
        'target: "gke.node_pool/acme-prod/*/Serving/*"',
        "target: gke.node_pool/acme-prod/europe-west4/batch/inference",
    ],
)
def test_a_window_that_could_never_cover_anything_is_refused(scope: str) -> None:
    with pytest.raises(InvalidFile, match=r"windows\[0\]: "):
        parse(f"{WHOLE}windows:\n- {{name: w, kind: freeze, scope: {{{scope}}}, {LASTING}}}\n")


@pytest.mark.parametrize(
    "scope",
    [
        "action_kind: gke.node_pool.resize",
        "target: gke.node_pool/acme-prod/europe-west4/serving/inference",
        'target: "gke.node_pool/acme-prod/*"',
        'target: "*/serving/gpu-?"',
        'target: "*"',
    ],
)
def test_a_window_that_may_cover_a_registered_target_is_fine(scope: str) -> None:
    assert parse(f"{WHOLE}windows:\n- {{name: w, kind: freeze, scope: {{{scope}}}, {LASTING}}}\n").windows


@pytest.mark.parametrize("name", ["prod", "prd-eu", "production-eu"])
def test_what_sounds_like_production_must_say_whether_it_is(name: str) -> None:
    unsaid = WHOLE.replace("development:", f"{name}: {{}}\n  development:")
    with pytest.raises(
        InvalidFile, match=f"environment {name!r}: say `production: true` or `production: false`"
    ):
        parse(unsaid)
    for said in ("true", "false"):
        found = parse(unsaid.replace(f"{name}: {{}}", f"{name}: {{production: {said}}}"))
        assert found.is_production(name) is (said == "true")


def test_a_budget_of_a_team_that_has_no_target_is_refused_since_it_would_cap_nothing() -> None:
    with pytest.raises(InvalidFile, match=r"budgets\[0\]: no target belongs to the team 'infrence'"):
        parse(WHOLE.replace("{environment: production}, window", "{team: infrence}, window"))


@pytest.mark.parametrize(
    ("earlier", "later", "is_fine"),
    [
        ("*", "payments", False),
        ("pay*", "pay-gpu-*", False),
        ("payments", "payments", False),
        ("payments", "*", True),
        ("pay-?", "pay-*", True),
        ("gpu-*", "payments", True),
    ],
)
def test_a_target_that_an_earlier_one_always_hides_is_refused(
    earlier: str, later: str, is_fine: bool
) -> None:
    more = (
        "  - {kind: gke.node_pool, project: acme-prod, location: europe-west4, cluster: serving,"
        f' node_pool: "{later}",'
        " environment: development, team: research, max_nodes_per_zone: 1, protected: true}\n"
    )
    text = WHOLE.replace('node_pool: "*"', f'node_pool: "{earlier}"').replace("budgets:", more + "budgets:")
    if is_fine:
        assert len(parse(text).targets) == 2
        return
    with pytest.raises(InvalidFile, match=r"targets\[1\]: targets\[0\] matches all of it"):
        parse(text)


def test_keys_given_twice_are_refused_although_yaml_takes_the_last() -> None:
    text = WHOLE.replace("limits:", "environments: {production: {approval: {quorum: 0}}}\nlimits:")
    assert faults(text) == [(9, "environments")]
    assert faults(WHOLE.replace("quorum: 1", "quorum: 1, quorum: 0")) == [
        (2, "environments.production.approval.quorum")
    ]


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("environment: production, team", "environment: prod, team", (6, "targets[0].environment")),
        ("{environment: production}, window", "{environment: prod}, window", (8, "budgets[0].scope.environment")),
    ],
)  # fmt: skip
def test_an_environment_nobody_declared_is_named_where_it_stands(
    old: str, new: str, where: tuple[int, str]
) -> None:
    assert faults(WHOLE.replace(old, new)) == [where]


@pytest.mark.parametrize("section", ["rules", "automatic"])
@pytest.mark.parametrize(
    ("key", "names", "reason"),
    [
        ("environments", "[production, prodution]", "'prodution' is not one of the environments"),
        ("teams", "[inference, infrence]", "no target belongs to 'infrence'"),
        ("agents", "[deployer, deplyer]", "'deplyer' is not one of the agents"),
        ("channels", "[cli]", "whoever calls says which of api and cli it is: name both or neither"),
    ],
)
def test_a_misspelt_name_in_an_approval_rule_is_named_where_it_stands(
    section: str, key: str, names: str, reason: str
) -> None:
    sample = ", sample: 0" if section == "automatic" else ""
    rule = f"approval: {{{section}: [{{name: mine, when: {{\n  {key}: {names}}}{sample}}}]}}\n"
    text = f"{MISSPELT}{rule}"
    with pytest.raises(InvalidFile) as found:
        parse(text, "mine.yaml")
    line = MISSPELT.count("\n") + 2
    (fault,) = found.value.faults
    assert (fault.line, fault.where) == (line, f"approval.{section}[0].when.{key}")
    assert fault.reason.startswith(reason)


@pytest.mark.parametrize(
    ("key", "name", "meant"),
    [
        ("environments", "prodution", "production"),
        ("agents", "deplyer", "deployer"),
        ("agents", "sluice/capacity-agnet", "sluice/capacity-agent"),
    ],
)
def test_a_misspelt_environment_or_agent_is_told_with_the_one_that_was_meant(
    key: str, name: str, meant: str
) -> None:
    rule = f"approval: {{rules: [{{name: mine, when: {{{key}: [{name}]}}}}]}}\n"
    with pytest.raises(InvalidFile, match=f"{name!r} is not one of the {key}: was {meant!r} meant"):
        parse(f"{MISSPELT}{rule}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "just words",
        "- a list",
        "a: [",
        "a: b: c",
        "a: !!python/object:os.system x",
        "a: &a [*a]",
        "environments: {}",
        "\tx: 1",
        "a: 1\n---\nb: 2",
        "a: \x00",
        "a: " + "[" * 5_000,
        "a: !!timestamp x",
    ],
)
def test_what_is_no_configuration_is_refused_and_nothing_else_is_raised(text: str) -> None:
    with pytest.raises(ConfigurationInvalid) as refused:
        parse(text, "sluice.yaml")
    assert str(refused.value).startswith("sluice.yaml:")


def test_a_few_lines_that_expand_to_billions_are_refused_at_once() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(ConfigurationInvalid):
        parse("\n".join(lines))


def test_a_file_that_is_missing_too_large_or_not_text_is_refused(tmp_path: Path) -> None:
    large, binary = tmp_path / "large.yaml", tmp_path / "binary.yaml"
    large.write_text("#" * 1_000_001)
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "none.yaml", large, binary, tmp_path):
        with pytest.raises(ConfigurationInvalid) as refused:
            load(path)
        assert str(path) in str(refused.value)


def test_the_schema_names_every_key_and_refuses_others() -> None:
    schema = json_schema()
    assert schema["$schema"].endswith("2020-12/schema")
    assert set(schema["properties"]) == set(Configuration.model_fields)
    assert schema["additionalProperties"] is False
    json.dumps(schema)


def test_anchors_may_be_used_to_say_a_thing_once() -> None:
    text = WHOLE.replace("production: {approval: {quorum: 1}}", "production: &e {approval: {quorum: 1}}")
    text = text.replace("development: {approval: {quorum: 0}}", "development: *e")
    assert parse(text).environments["development"].approval.quorum == 1
    assert yaml.safe_load(text)
