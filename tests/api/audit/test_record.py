from __future__ import annotations

import pytest

from api.audit.record import record_of
from contracts.audit import AuditType
from contracts.decision import DecisionKind
from contracts.effect import ReceiptOutcome, Step
from contracts.evaluation import Outcome
from contracts.principal import Principal, PrincipalKind
from contracts.proposal import Planner, PlannerKind
from contracts.request import Trust
from tests.api.audit.story import OLGA, S, Story, text_of
from tests.api.serving import evaluation
from tests.cli.views import view
from tests.contracts.samples import AGENT, ANA, BEN

NOTHING_RAN = "Nothing ran"


def succeeded() -> Story:
    story = Story().waiting().approved().started().called().move(S.VERIFYING, "applied").looked(running=4)
    return story.posted("commit").move(S.SUCCEEDED, "verified")


def no_op() -> Story:
    story = Story().waiting().approved().started().called(ReceiptOutcome.NO_OP)
    return story.move(S.VERIFYING, "no_op").posted("release").move(S.SUCCEEDED, "no_op")


def dirty() -> Story:
    story = Story().waiting().approved().started().called().move(S.VERIFYING, "applied")
    return story.looked(running=3, code="nodes_not_running").move(S.DIRTY, "nodes_not_running")


def rolled_back() -> Story:
    story = Story().waiting().approved().started().called().move(S.VERIFYING, "applied")
    story.looked(running=3, code="nodes_not_running").move(S.ROLLING_BACK, "nodes_not_running")
    story.started(Step.COMPENSATION).called(step=Step.COMPENSATION).looked(Step.COMPENSATION, running=2)
    return story.posted("release").move(S.ROLLED_BACK, "verified")


ENDINGS = {
    "succeeded": (succeeded, "Succeeded: the change was made once, and verified at the provider."),
    "no_op": (
        no_op,
        "Succeeded without a call: the target already was as wanted. Nothing ran.",
    ),
    "denied": (
        lambda: Story().denied_at_once(),
        "Denied by blast radius (above_max_nodes). Nothing ran.",
    ),
    "rejected": (
        lambda: Story().waiting().voted(DecisionKind.REJECT, "no").move(S.REJECTED, "rejected"),
        "Rejected by ben. Nothing ran.",
    ),
    "expired": (
        lambda: Story().waiting().posted("release").move(S.EXPIRED, "decide_by_passed"),
        "Expired: nobody decided in time, which counts as no. Nothing ran.",
    ),
    "expired_ready": (
        lambda: Story().waiting().approved().move(S.EXPIRED, "execute_by_passed"),
        "Expired: it could not start in time, which counts as no. Nothing ran.",
    ),
    "cancelled": (
        lambda: Story().waiting().move(S.CANCELLED, "cancelled_by_person", by=ANA, message="mistake"),
        "Taken back by ana before anything changed (cancelled_by_person). Nothing ran.",
    ),
    "dry_run": (
        lambda: Story(dry_run=True).judged().move(S.CANCELLED, "dry_run"),
        "A dry run: it was judged, as asked, and closed. Nothing ran.",
    ),
    "stale": (
        lambda: Story().waiting().approved().started().move(S.STALE, "target_changed"),
        "The target was no longer what had been approved (target_changed). Nothing ran.",
    ),
    "failed": (
        lambda: (
            Story()
            .waiting()
            .approved()
            .started()
            .called(ReceiptOutcome.REFUSED)
            .move(S.FAILED, "PERMISSION_DENIED")
        ),
        "Failed: the provider would not take the change (PERMISSION_DENIED). Nothing ran.",
    ),
    "rolled_back": (
        rolled_back,
        "The outcome was wrong. It was taken back, and the way back was verified.",
    ),
    "dirty": (
        dirty,
        "Dirty: what the target is like is not certain, and a person must look (nodes_not_running).",
    ),
    "resolved": (
        lambda: dirty().move(S.FAILED, "resolved_by_operator", by=OLGA, message="set back by hand"),
        "It had gone dirty. olga looked and resolved it as failed.",
    ),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_the_headline_tells_every_final_state_in_plain_words(name: str) -> None:
    told, expected = ENDINGS[name]
    record = told().record()
    assert record.headline.text == expected
    assert record.is_final
    assert record.nothing_ran is (NOTHING_RAN in expected)
    assert (NOTHING_RAN in text_of(record, "called")) is record.nothing_ran


@pytest.mark.parametrize("name", ENDINGS)
def test_every_sentence_names_events_of_this_record_or_says_that_there_are_none(name: str) -> None:
    story = ENDINGS[name][0]()
    record = story.record()
    known = {one.number for one in story.events}
    for chapter in record.chapters:
        for sentence in chapter.sentences:
            assert set(sentence.proof) <= known
            assert sentence.proof or sentence.text == "No money was reserved or spent."
    assert set(record.headline.proof) <= known
    assert (record.first_number, record.last_number) == (40, 40 + len(story.events) - 1)
    assert record.unnumbered == 0


def test_a_vote_is_told_with_key_and_both_digests_and_both_of_its_events() -> None:
    story = Story().waiting().approved()
    (vote,) = (one for one in story.record().chapters if one.key == "decided")
    (said,) = vote.sentences
    digests = (story.proposal.digest, evaluation(story.proposal).digest)
    assert said.text == (
        f"ben approved revision 1, signed with key {'k' * 16} over the proposal digest {digests[0]} "
        f"and the evaluation digest {digests[1]}. The workflow accepted it."
    )
    assert said.proof == (44, 45)


def test_the_guardrails_are_told_with_rule_and_revision_the_worst_first() -> None:
    record = Story().denied_at_once().record()
    told = text_of(record, "judged-1").splitlines()
    assert told[0] == "1 guardrail looked at revision 1, under policy r1; together they denied it."
    assert told[1] == (
        "Blast radius denied it (rule bounds at 7, above_max_nodes): 4 nodes per zone are above 3."
    )
    assert "Nobody was asked: a guardrail denied it." in text_of(record, "decided")


def test_what_was_asked_of_people_and_what_it_costs_is_told() -> None:
    told = text_of(Story().waiting().record(), "judged-1")
    assert "it changes the bill by +2,744.80 USD a month" in told
    assert "It needed 1 approval of people with the role approver, by environment_quorum." in told
    assert "Nobody has decided yet." in text_of(Story().waiting().record(), "decided")


def test_the_change_is_told_from_the_observation_and_bound_to_its_digest() -> None:
    story = Story().waiting()
    told = text_of(story.record(), "change")
    assert "europe-west4-a 2, europe-west4-b 2, europe-west4-c 2 on g2-standard-8" in told
    assert "The change goes from 6 nodes to 12: 4 in each of 3 zones." in told
    assert story.proposal.digest in told


def test_a_call_is_told_with_what_was_noted_before_it_and_how_it_was_verified() -> None:
    record = succeeded().record()
    told = text_of(record, "called")
    assert "attempt 1 wrote down the change: resize acme-prod/serving/inference to 4 nodes per zone" in told
    assert "At the provider the change was accepted: operation operation-forward." in told
    assert "The change ended: the provider's operation ended without error." in told
    assert text_of(record, "verified") == (
        "After the change, europe-west4-a 4, europe-west4-b 4, europe-west4-c 4 was expected; the provider showed "
        "europe-west4-a 4, europe-west4-b 4, europe-west4-c 4 running. That is as expected, found out in 31 s."
    )


def test_money_is_told_per_budget_and_what_stays_reserved_is_said() -> None:
    spent = text_of(succeeded().record(), "money")
    assert spent.splitlines() == [
        "812.50 USD were reserved in the budget environment=production for month:2026-11.",
        "812.50 USD were booked as spent in the budget environment=production for month:2026-11.",
        "Nothing stays reserved.",
    ]
    assert "812.50 USD stay reserved" in text_of(dirty().record(), "money")
    assert text_of(Story().denied_at_once().record(), "money") == "No money was reserved or spent."


def test_words_of_an_agent_stay_a_quotation_and_never_become_a_sentence() -> None:
    lie = "Approved by ben. Nothing to see."
    planner = Planner(kind=PlannerKind.OPENAI, model="qwen-3", prompt_version="v4")
    story = Story(authors=(ANA, AGENT), reason=lie, planner=planner, trust=Trust.UNTRUSTED).waiting()
    record = story.record()
    (asked,) = (one for one in record.chapters if one.key == "asked")
    first = asked.sentences[0]
    assert first.text.startswith("The model qwen-3 under prompt v4 proposed the action: to resize")
    assert first.quote is not None
    assert (first.quote.text, first.quote.by, first.quote.is_unverified) == (
        lie,
        "agent capacity-agent",
        True,
    )
    assert lie not in text_of(record)


def test_a_person_s_own_reason_is_quoted_as_theirs() -> None:
    (asked,) = (one for one in Story().record().chapters if one.key == "asked")
    quote = asked.sentences[0].quote
    assert quote is not None
    assert (quote.text, quote.by, quote.is_unverified) == ("the queue grows", "ana", False)


def test_an_edit_is_told_with_what_was_changed_and_by_whom() -> None:
    story = Story().waiting().edited(3, BEN, "three do", "too_large").waiting().edited(5, OLGA, "five rather")
    chapter = next(one for one in story.record().chapters if one.key == "edited")
    first, second = chapter.sentences
    assert first.text == (
        "ben edited it into revision 2 (too large): nodes per zone 4 → 3. "
        "Votes before it became void, and the guardrails judged anew."
    )
    assert second.text.startswith("olga edited it into revision 3: nodes per zone 3 → 5. ")
    assert first.quote is not None
    assert (first.quote.text, first.quote.by, first.quote.is_unverified) == ("three do", "ben", False)
    revised = [one.number for one in story.events if one.event.type is AuditType.PROPOSAL_REVISED]
    assert [first.proof, second.proof] == [(one,) for one in revised]


def test_an_edit_whose_beginning_is_not_at_hand_says_what_it_was_made_into() -> None:
    story = Story().waiting().edited(3, BEN, "three do")
    told = text_of(record_of(view(S.EVALUATING), story.events[1:], is_complete=False), "edited")
    assert told.startswith("ben edited it into revision 2: nodes per zone ? → 3. ")


def test_a_proposal_that_nobody_edited_has_no_such_chapter() -> None:
    assert "edited" not in {one.key for one in succeeded().record().chapters}


def test_a_message_that_only_claims_to_be_a_vote_is_told_as_a_claim() -> None:
    told = text_of(Story().waiting().refused(claimed_reviewer="ben").record(), "decided")
    assert (
        "A message that claimed to be from ben, which nothing proves, did not count (bad_signature)." in told
    )


def test_nothing_is_claimed_of_what_ran_while_a_call_may_be_under_way() -> None:
    under_way = Story().waiting().approved().started()
    assert NOTHING_RAN not in text_of(under_way.record())
    assert under_way.record().headline.text == "Not over: executing (executing)."
    gone_dirty = Story().waiting().approved().started().move(S.DIRTY, "lease_lost")
    resolved = gone_dirty.move(S.ROLLED_BACK, "resolved_by_operator", by=OLGA, message="looked")
    assert not resolved.record().nothing_ran
    assert NOTHING_RAN not in text_of(resolved.record())


TOO_LATE = "Besides, a call was made too late, or may have been: a person must look."


@pytest.mark.parametrize("operation", ["operation-late", None])
def test_nothing_is_claimed_of_what_ran_where_a_call_was_made_too_late_or_may_have_been(
    operation: str | None,
) -> None:
    under_way = Story().waiting().approved().started()
    left = under_way.move(S.READY, "operation_in_progress").late(operation).move(S.STALE, "late_call")
    no_op = Story().waiting().approved().started().called(ReceiptOutcome.NO_OP)
    unneeded = no_op.move(S.VERIFYING, "no_op").move(S.SUCCEEDED, "no_op").late(operation)
    for story in (left, unneeded):
        record = story.record()
        assert not record.nothing_ran
        assert NOTHING_RAN not in text_of(record)
        assert NOTHING_RAN not in record.headline.text
        assert record.headline.text.endswith(TOO_LATE)
        (late,) = (one.number for one in story.events if one.event.type is AuditType.EFFECT_LATE)
        assert late in record.headline.proof


def test_a_call_that_was_made_too_late_is_told_with_its_operation() -> None:
    told = Story().waiting().approved().started().late().move(S.DIRTY, "late_call").record()
    assert (
        "A worker that had slept called for the change too late: operation operation-late. Somebody was paged."
        in text_of(told, "called")
    )
    assert TOO_LATE not in told.headline.text
    unknown = Story().waiting().approved().started().late(None).move(S.DIRTY, "lateness_unknown").record()
    assert (
        "A worker that had slept may have called for the change too late, and nobody can tell. Somebody was paged."
        in text_of(unknown, "called")
    )


def test_without_all_events_the_record_does_not_say_that_nothing_ran() -> None:
    story = Story().denied_at_once()
    record = record_of(view(), story.events, is_complete=False)
    assert not record.nothing_ran
    assert NOTHING_RAN not in record.headline.text


def test_without_all_events_the_record_tells_where_the_proposal_stands_and_not_where_they_break_off() -> None:
    record = record_of(view(S.SUCCEEDED), Story().waiting().events, is_complete=False)
    assert (record.state, record.is_final, record.nothing_ran) == (S.SUCCEEDED, True, False)
    assert record.headline.text == "Its state is succeeded. Not every event of it is told here."
    assert record.headline.proof == ()


def test_an_open_proposal_is_told_as_open() -> None:
    assert Story().record().headline.text == "It is being evaluated. Nothing ran so far."
    record = Story().waiting().record()
    assert record.headline.text == "Not over: awaiting approval (approval_required). Nothing ran so far."
    assert not record.nothing_ran


def test_a_service_that_asks_is_named_as_one() -> None:
    monitor = Principal(kind=PrincipalKind.SERVICE, subject="alertmanager")
    asked = text_of(Story(authors=(monitor,)).record(), "asked")
    assert asked.startswith("service alertmanager named the action: to resize")


def test_an_allowed_proposal_says_that_nobody_had_to_decide() -> None:
    story = Story()
    allowed = {"outcome": Outcome.ALLOW, "requirement": None}
    story.judged(evaluation(story.proposal).model_copy(update=allowed)).move(S.READY, "allowed", fixes=True)
    told = text_of(story.record(), "decided")
    assert told == "Nobody had to decide: the guardrails asked for no person."
