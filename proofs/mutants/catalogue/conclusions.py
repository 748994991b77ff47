"""Guard mutants of how a step ends: what an attempt that is behind may close, and a way back that cannot be taken."""

from __future__ import annotations

from proofs.mutants.mutant import Change, Group, Promise

_CONCLUSION = "tests/activities/execution/test_conclusion.py"
_MOVED_ON = f"{_CONCLUSION}::test_what_was_left_to_a_person_keeps_state_and_lease_whatever_its_attempt_finds"
_TAKEN_OVER = f"{_CONCLUSION}::test_an_attempt_that_was_taken_over_ends_nothing"
_EFFECTS = "tests/activities/execution/test_effects.py"

SUPERSEDED = Group(
    "activities/execution/conclusion.py",
    Promise.ONE_EFFECT,
    (_TAKEN_OVER,),
    {
        "end-by-an-older-attempt-counts": Change(
            "    if not await intents.is_current(connection, intent.key, intent.fence):\n", "    if False:\n"
        ),
        "end-step-back-by-an-older-attempt": Change(
            "            await _still_ours(connection, intent)\n"
            "            if ProposalState(row.state) is not _S.EXECUTING:\n"
            "                return standing_outcome(row)\n"
            "            return await step_back(",
            "            if ProposalState(row.state) is not _S.EXECUTING:\n"
            "                return standing_outcome(row)\n"
            "            return await step_back(",
            (f"{_TAKEN_OVER}[step_back]",),
        ),
        "end-left-to-a-person-by-an-older-attempt": Change(
            "            if intent is not None:\n                await _still_ours(connection, intent)\n",
            "",
            (f"{_TAKEN_OVER}[give_up]",),
        ),
        "end-unchanged-by-an-older-attempt": Change(
            "            await _still_ours(connection, intent)\n            await intents.withdraw(",
            "            await intents.withdraw(",
            (f"{_TAKEN_OVER}[changed]",),
        ),
    },
)
MOVED_ON = Group(
    "activities/execution/conclusion.py",
    Promise.ONE_EFFECT,
    (_MOVED_ON,),
    {
        "end-step-back-of-what-is-dirty": Change(
            "            if ProposalState(row.state) is not _S.EXECUTING:\n"
            "                return standing_outcome(row)\n"
            "            return await step_back(",
            "            return await step_back(",
            (f"{_MOVED_ON}[step_back]",),
        ),
        "end-left-to-a-person-although-it-took-place": Change(
            "            if ProposalState(row.state) not in (_S.EXECUTING, _S.ROLLING_BACK):\n"
            "                return standing_outcome(row)\n",
            "",
            (f"{_CONCLUSION}::test_what_took_place_meanwhile_is_not_left_to_a_person",),
        ),
        "end-unchanged-of-what-is-dirty": Change(
            "            if ProposalState(row.state) is not _S.EXECUTING:\n"
            "                return standing_outcome(row)\n"
            "            await close_without_effect(",
            "            await close_without_effect(",
            (f"{_MOVED_ON}[changed]", f"{_MOVED_ON}[unreachable]"),
        ),
    },
)
WAY_BACK = Group(
    "activities/execution/conclusion.py",
    Promise.ONE_EFFECT,
    (_CONCLUSION,),
    {
        "failed-operation-is-told-as-issued": Change(
            "if work.step is Step.FORWARD and not failed:",
            "if work.step is Step.FORWARD:",
            (f"{_EFFECTS}::test_a_stock_out_is_resized_back_and_verified",),
        ),
        "way-back-that-failed-is-told-as-issued": Change(
            "                if failed:\n                    return await self._dirty(",
            "                if False:\n                    return await self._dirty(",
            (f"{_CONCLUSION}::test_a_way_back_whose_operation_fails_is_left_to_a_person",),
        ),
        "way-back-that-no-call-makes-is-begun": Change(
            "if restoring(work.proposal.action, work.proposal.observation) is None:",
            "if False:",
            (f"{_EFFECTS}::test_what_no_single_call_restores_is_dirty_and_keeps_its_lease",),
        ),
        "way-back-that-was-refused-is-closed": Change(
            "            if work.step is Step.COMPENSATION:\n"
            "                return await self._dirty(connection, row, reason_code)\n",
            "",
            (f"{_CONCLUSION}::test_a_way_back_that_the_provider_refuses_is_left_to_a_person",),
        ),
        "way-back-without-a-target-is-left-open": Change(
            "        if work.step is Step.COMPENSATION:\n"
            "            return await self.give_up(intent, reason_code)\n",
            "",
            (f"{_CONCLUSION}::test_a_way_back_whose_pool_is_gone_is_left_to_a_person",),
        ),
        "way-back-that-others-barred-is-left-open": Change(
            "        if work.step is Step.COMPENSATION:\n"
            '            return await self.give_up(intent, "changed_by_others")\n',
            "",
            (f"{_EFFECTS}::test_what_others_changed_since_is_not_overwritten_by_the_way_back",),
        ),
    },
)
RECOGNISED = Group(
    "activities/execution/recognition.py",
    Promise.ONE_EFFECT,
    ("tests/activities/execution/test_recognition.py",),
    {
        "effect-on-a-cluster-that-is-busy": Change(
            'the approved precondition does."""\n    if any(operation.is_running for operation in seen.operations):',
            'the approved precondition does."""\n    if False:',
        ),
        "effect-on-what-no-longer-is-as-approved": Change(
            "return Finding.AS_EXPECTED if holds else Finding.CHANGED", "return Finding.AS_EXPECTED"
        ),
        "way-back-on-a-cluster-that-is-busy": Change(
            'may be changed."""\n    if any(operation.is_running for operation in seen.operations):',
            'may be changed."""\n    if False:',
        ),
        "size-is-reached-under-an-autoscaler": Change(
            "return seen.autoscaling is None and seen.even_node_count", "return seen.even_node_count"
        ),
        "bounds-of-the-whole-pool-are-those-of-a-zone": Change("        and not bounds.is_pool_wide\n", ""),
        "way-back-on-another-machine-type": Change("seen.machine_type != prior.machine_type or ", ""),
        "way-back-under-an-autoscaler": Change("        seen.autoscaling is None\n        and ", "        "),
        "way-back-without-a-zone-of-before": Change(
            "        and set(before) == set(seen.target_sizes)\n", ""
        ),
        "way-back-replaces-bounds-of-others": Change("return is_at(effect, seen)", "return True"),
        "way-back-from-new-bounds-is-barred": Change(
            "if isinstance(effect, SetNodePoolAutoscaling):", "if False:"
        ),
        "operation-of-another-effect-is-adopted": Change(
            "if operation.name not in strangers\n        and is_like", "if is_like"
        ),
        "operation-that-came-later-is-adopted": Change("return min(on_pool", "return max(on_pool"),
        "operation-on-another-pool-is-adopted": Change(
            " and operation.target in (\n"
            "        action.target.resource_name,\n"
            "        action.target.cluster_name,\n"
            "    )\n",
            "\n",
        ),
        "operation-of-any-type-is-adopted": Change(
            "return operation.type in _OPERATION_TYPES[action.kind] and operation.target in (",
            "return operation.target in (",
        ),
    },
)
RESTORED = Group(
    "contracts/effect.py",
    Promise.OUTCOME,
    ("tests/contracts/test_effect.py",),
    {
        "way-back-to-uneven-sizes": Change(
            'return None if count is None else action.model_copy(update={"node_count": count})',
            'return action.model_copy(update={"node_count": count or 0})',
        ),
        "way-back-to-bounds-of-the-whole-pool": Change("or bounds.is_pool_wide or bounds", "or bounds"),
        "way-back-to-bounds-of-zero": Change(" or bounds.max_node_count < 1:", ":"),
    },
)

GROUPS = (SUPERSEDED, MOVED_ON, WAY_BACK, RECOGNISED, RESTORED)
