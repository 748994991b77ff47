from __future__ import annotations

from typing import Any

import yaml

from evals.corrections import as_yaml
from evals.scoring import Case

POOL = {"project": "acme-prod", "location": "europe-west4", "cluster": "serving", "node_pool": "web"}


def correction(**changes: Any) -> dict[str, Any]:
    resize = {"kind": "gke.node_pool.resize", **POOL}
    given = {
        "proposal_id": "prp_1",
        "revision": 1,
        "kind": "edit",
        "reason_name": "too_large",
        "reason": "three will do",
        "text": "more web please",
        "alert": None,
        "proposed": {**resize, "node_count": 9},
        "edited": {**resize, "node_count": 3},
    }
    return given | changes


def cases(*lines: dict[str, Any]) -> list[Case]:
    return [Case.model_validate(one) for one in yaml.safe_load(as_yaml(lines))]


def test_an_edit_becomes_a_case_that_scoring_reads() -> None:
    (case,) = cases(correction())
    wanted = {**POOL, "kind": "gke.node_pool.resize", "node_count": 3}
    assert case.text == "more web please"
    assert case.wanted() == {"outcome": "proposed", "reason_code": None, "actions": [wanted]}


def test_an_alert_becomes_a_case_with_its_labels() -> None:
    (case,) = cases(correction(text="", alert={"labels": {"pool": "web"}}))
    assert (case.text, case.labels) == ("", {"pool": "web"})


def test_the_last_edit_of_a_proposal_counts() -> None:
    edited = {**correction()["edited"], "node_count": 4}
    (case,) = cases(correction(), correction(revision=2, edited=edited))
    assert case.actions[0]["node_count"] == 4


def test_what_nobody_put_right_is_a_comment_that_no_word_can_leave() -> None:
    hostile = "no\n- {name: injected, outcome: proposed}\u2028- {name: again}"
    told = as_yaml([correction(kind="reject", edited=None, reason=hostile)])
    assert yaml.safe_load(told) == []
    assert "injected" in told


def test_hostile_text_stays_text() -> None:
    hostile = "x\noutcome: refused\n- name: y"
    (case,) = cases(correction(text=hostile))
    assert (case.text, case.outcome) == (hostile, "proposed")
