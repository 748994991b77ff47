"""Guard mutants of what ends what nobody ends any more: late calls, lost workflows, defects, frozen clients."""

from __future__ import annotations

from proofs.mutants.mutant import Change, Group, Promise

_LATENESS = "tests/activities/execution/test_lateness.py"
_ALONE = "tests/activities/execution/test_late_alone.py"
_OVERDUE = "tests/activities/housekeeping/test_overdue.py"
_UNPLANNED = "tests/activities/housekeeping/test_unplanned.py"
_DEFECTS = "tests/activities/guardrail/test_defects.py"
_CHANGES = "tests/adapters/store/ledger/test_changes.py"
_MODELS = "tests/adapters/store/ledger/test_models.py"
_DATABASE = "tests/adapters/store/test_database.py"
_DISPATCHER = "tests/adapters/dispatch/test_dispatcher.py"

LATENESS = Group(
    "activities/execution/lateness.py",
    Promise.ONE_EFFECT,
    (_LATENESS,),
    {
        "late-call-is-not-looked-after": Change(
            "        if code is None:\n            return\n",
            "        return\n",
        ),
        "late-call-of-the-newest-attempt-is-one": Change(
            "if await _patiently(partial(self._is_current, intent)):", "if False:"
        ),
        "late-call-is-judged-before-the-newer-attempt-has-looked": Change(
            "        await self._concluded(intent)\n", ""
        ),
        "late-call-that-cannot-be-read-is-none": Change(
            "        except ProviderError:\n            return LATENESS_UNKNOWN, operation",
            "        except ProviderError:\n            return None, operation",
        ),
        "late-call-that-cannot-be-judged-is-none": Change(
            "code, name = LATENESS_UNKNOWN, operation",
            "code, name = None, operation",
        ),
        "late-call-is-forgotten-while-the-database-is-away": Change(
            "        except StoreUnavailable:\n            await asyncio.sleep(PAUSE)",
            "        except StoreUnavailable:\n            raise",
        ),
        "late-call-is-looked-after-only-while-its-attempt-waits": Change(
            "        if looking:\n", "        task.cancel()\n        if looking:\n"
        ),
        "late-call-that-the-provider-forgot-is-none": Change("if operation and not mine:", "if False:"),
        "late-call-may-be-anybodys": Change("if is_like(one, work.action) and", "if"),
        "late-call-is-one-that-was-in-time": Change("is_late(one, seen_until) and ", ""),
    },
)
LATE = Group(
    "activities/execution/conclusion.py",
    Promise.ONE_EFFECT,
    (_LATENESS,),
    {
        "late-call-makes-nothing-dirty": Change("if _S.DIRTY in TRANSITIONS.get(state, ()):", "if False:"),
        "late-call-lets-what-stepped-back-go-on": Change("if state is _S.READY:", "if False:"),
        "late-call-after-the-end-pages-nobody": Change(
            "            await outbox.put(connection, OutboxKind.NOTIFY, row.id, told)\n            return",
            "            return",
        ),
    },
)
LOOKING = Group(
    "activities/execution/activities.py",
    Promise.ONE_EFFECT,
    (_LATENESS,),
    {
        "late-call-without-an-answer-is-not-looked-after": Change(
            "            await self._lateness.look(work, intent, None)\n", ""
        ),
        "late-call-with-an-answer-is-not-looked-after": Change(
            "            await self._lateness.look(work, intent, operation)\n", ""
        ),
        "late-call-is-looked-after-only-while-the-database-answers": Change(
            "except (SluiceError, asyncio.CancelledError):", "except StaleFence:"
        ),
        "late-call-of-the-only-worker-is-a-success": Change(
            "if operation is not None and _began_late(operation, issued):", "if False:", (_ALONE,)
        ),
        "late-call-is-vouched-for-by-who-slept": Change(
            "in_time=answered_in_time)", "in_time=True)", (_ALONE,)
        ),
        "call-in-time-is-judged-by-the-providers-clock": Change(
            "in_time=answered_in_time)", "in_time=False)", (_ALONE,)
        ),
    },
)
ADOPTED = Group(
    "activities/execution/attempt.py",
    Promise.ONE_EFFECT,
    (_ALONE,),
    {"late-call-is-vouched-for-by-who-adopts-it": Change("in_time: bool = False", "in_time: bool = True")},
)
OVERDUE = Group(
    "activities/housekeeping/overdue.py",
    Promise.ENDS,
    (_OVERDUE,),
    {
        "overdue-closes-nothing": Change("if code is None or (", "if code is not None or ("),
        "overdue-leaves-no-grace": Change(
            "before = await database_now(connection) - self._grace", "before = await database_now(connection)"
        ),
        "overdue-closes-of-another-tenant": Change("proposal_rows.c.tenant == tenant, late,", "late,"),
        "overdue-leaves-what-waits-for-people": Change(
            "_UNDECIDED = (_S.EVALUATING, _S.AWAITING_APPROVAL)", "_UNDECIDED = (_S.EVALUATING,)"
        ),
        "overdue-leaves-what-waits-for-its-effect": Change(
            "and_(spelled(proposal_rows.c.state, [_S.READY]), proposal_rows.c.execute_by < before),", ""
        ),
        "overdue-overtakes-a-decision-that-is-being-delivered": Change(
            "decisions.c.status == DecisionStatus.RECORDED.value,", "decisions.c.status == None,"
        ),
        "overdue-wakes-nobody": Change(
            'await outbox.put(connection, OutboxKind.WAKE, row.id, {"reason_code": code})', "pass"
        ),
    },
)
UNPLANNED = Group(
    "activities/housekeeping/unplanned.py",
    Promise.ENDS,
    (_UNPLANNED,),
    {
        "unplanned-request-is-never-closed": Change(
            "return await requests.close(connection, request_id, RequestStatus.FAILED, _ANSWER, _CODE)",
            "return False",
        ),
        "unplanned-request-is-one-that-was-just-received": Change(
            "request_rows.c.created_at <= func.clock_timestamp() - self._after,", ""
        ),
        "unplanned-request-is-one-that-is-to-be-started": Change("~is_to_be_started,", ""),
        "unplanned-request-is-one-of-another-tenant": Change(
            "request_rows.c.tenant == self._configuration.current.tenant,", ""
        ),
    },
)
ROUNDS = Group(
    "activities/housekeeping/rounds.py",
    Promise.ENDS,
    (_UNPLANNED,),
    {
        "round-ends-what-temporal-runs": Change(
            "if not await self._is_running(self._workflow_id(row_id)):", "if True:"
        ),
        "round-begins-anew-behind-what-runs": Change("if self._last is not None:", "if False:"),
        "round-never-begins-anew": Change("            self._last = None\n", "            pass\n"),
    },
)
LOST_EFFECTS = Group(
    "activities/housekeeping/lost.py",
    Promise.ENDS,
    ("tests/activities/housekeeping/test_lost.py",),
    {
        "lost-effect-is-left-to-nobody": Change(
            "await close_after_failure(connection, row, _S.DIRTY, WORKFLOW_LOST, limits)", "pass"
        ),
        "lost-wait-is-waited-for": Change(
            "await close_without_effect(connection, row, _S.CANCELLED, WORKFLOW_LOST, _MESSAGE)", "pass"
        ),
        "lost-effect-is-one-that-moved-lately": Change(
            "proposal_rows.c.state_since <= func.clock_timestamp() - self._grace,", ""
        ),
        "lost-effect-is-one-that-moved-meanwhile": Change(
            "if state not in (*_BEGUN, *_WAITING) or row.state_since > row.now - self._grace:", "if False:"
        ),
        "lost-effect-is-one-of-another-tenant": Change(
            "proposal_rows.c.tenant == self._configuration.current.tenant,", ""
        ),
    },
)
DEFECTS = Group(
    "activities/guardrail/activities.py",
    Promise.ENDS,
    (_DEFECTS,),
    {
        "defect-outlives-the-time-of-its-proposal": Change(
            "        if late is not None:\n            # Before", "        if False:\n            # Before"
        ),
        "pass-that-is-late-by-the-time-it-locks-goes-on": Change(
            "        if late is not None:\n            return await expire(connection, locked.row, late)\n",
            "",
            (_DEFECTS, "tests/activities/guardrail/test_check_proposal.py"),
        ),
    },
)
OUTCOMES = Group(
    "activities/outcomes.py",
    Promise.BREAKER,
    ("tests/activities/test_outcomes.py",),
    {
        "breaker-is-told-of-the-way-back-and-not-of-its-reason": Change(
            "counted = _failure(row, state, reason_code) or reason_code", "counted = reason_code"
        ),
        "breaker-is-told-of-what-nobody-looked-at": Change("if reason_code in UNSEEN:", "if False:"),
        "breaker-is-not-told-why-a-lost-way-back-was-begun": Change(" or reason_code in UNSEEN\n", "\n"),
        "breaker-of-a-provider-opens-by-refusals": Change(
            "        return reason_code not in UNREACHABLE\n",
            "        return state is ProposalState.SUCCEEDED\n",
        ),
        "breaker-of-an-agent-counts-what-is-not-its-own": Change(
            "if scope is BreakerScope.AGENT and not succeeded and state not in _TAKEN_BACK:", "if False:"
        ),
    },
)
SWEEPING = Group(
    "adapters/store/ledger/sweeping.py",
    Promise.ENDS,
    (_MODELS,),
    {
        "sweep-leaves-what-a-request-has-left": Change("for row in asked:", "for row in ():"),
        "sweep-takes-from-a-planner-at-work": Change('{"rest": planned_within}', '{"rest": timedelta(0)}'),
        "sweep-leaves-what-is-over": Change(
            "if locked.state in SETTLED_STATES:",
            "if False:",
            (_CHANGES,),
        ),
        "sweep-takes-no-window-for-one-that-holds-too-much": Change(
            "WHERE w.reserved > coalesce(known.reserved, 0)", "WHERE false", (_CHANGES,)
        ),
        "sweep-takes-from-what-is-dirty": Change(
            "if state.is_final and state is not ProposalState.DIRTY\n",
            "if state.is_final\n",
            (_CHANGES,),
        ),
    },
)
LOST = Group(
    "adapters/dispatch/workflows.py",
    Promise.ENDS,
    (_DISPATCHER,),
    {
        "decision-applied-unheard-wakes-nobody": Change(
            "if found.status == DecisionStatus.APPLIED.value:",
            "if False:",
            (f"{_DISPATCHER}::test_a_decision_that_was_applied_unheard_wakes_its_workflow",),
        ),
        "decision-that-is-settled-is-sent-again": Change(
            "        if found.status != DecisionStatus.RECORDED.value:\n            return\n",
            "",
            (f"{_DISPATCHER}::test_a_decision_that_was_applied_unheard_wakes_its_workflow",),
        ),
        "decision-is-refused-for-good-by-a-workflow-that-is-behind": Change(
            "if await decisions.is_ahead(connection, decision, refusal.code):",
            "if False:",
            (f"{_DISPATCHER}::test_a_workflow_that_is_behind_the_database_refuses_nothing_for_good",),
        ),
        "start-of-what-is-over": Change(
            "if not ProposalState(found.state).is_final:",
            "if True:",
            (f"{_DISPATCHER}::test_what_is_over_is_not_started_again",),
        ),
    },
)
BEHIND = Group(
    "adapters/store/decisions.py",
    Promise.ENDS,
    (
        f"{_DISPATCHER}::test_a_workflow_that_is_behind_the_database_refuses_nothing_for_good",
        f"{_DISPATCHER}::test_a_late_refusal_marks_the_vote_and_is_audited",
        f"{_DISPATCHER}::test_what_the_database_does_not_wait_for_either_is_refused",
    ),
    {
        "workflow-is-behind-whatever-it-refuses": Change("if refused_as not in _BEHIND:", "if False:"),
        "workflow-is-behind-on-any-revision": Change(
            "        proposals.c.revision == decision.revision,\n", ""
        ),
        "workflow-is-behind-on-any-digest": Change(
            "        proposals.c.digest == decision.proposal_digest,\n", ""
        ),
        "workflow-is-behind-although-nothing-waits": Change(
            "        proposals.c.state == ProposalState.AWAITING_APPROVAL.value,\n", ""
        ),
    },
)
WORKFLOW = Group(
    "workflows/proposal.py",
    Promise.ENDS,
    ("tests/workflows/test_lost_passes.py", "tests/workflows/test_given_up.py"),
    {
        "rules-of-a-lost-pass-are-not-asked-for": Change(
            "if is_behind and workflow.patched(BEHIND):",
            "if False:",
            ("tests/workflows/test_lost_passes.py",),
        ),
        "vote-ahead-of-its-workflow-is-refused": Change(
            "if not self._is_ahead(signed) or not workflow.patched(AHEAD):",
            "if True:",
            ("tests/workflows/test_lost_passes.py",),
        ),
        "vote-ahead-of-its-workflow-is-not-let-in": Change(
            "if self._in_pass or self._is_ahead(signed):",
            "if self._in_pass:",
            ("tests/workflows/test_lost_passes.py",),
        ),
        "wait-that-cannot-go-on-is-left-open": Change(
            "        if self._state is _S.AWAITING_APPROVAL:\n            return await self._close(_S.EXPIRED",
            "        if False:\n            return await self._close(_S.EXPIRED",
            ("tests/workflows/test_given_up.py",),
        ),
    },
)
BOUNDED = Group(
    "adapters/store/database.py",
    Promise.ENDS,
    (
        f"{_DATABASE}::test_transactions_are_bounded_where_the_server_can_also_while_a_client_is_frozen_in_a_statement",
    ),
    {
        "transaction-of-a-frozen-client-never-ends": Change(
            'event.listen(self.engine.sync_engine, "connect", _bound_transactions)\n', "pass\n"
        ),
        "transaction-is-bounded-on-no-server": Change(
            "_HAS_TRANSACTION_TIMEOUT = 17", "_HAS_TRANSACTION_TIMEOUT = 18 + 1"
        ),
        "transaction-is-bounded-on-a-server-that-cannot": Change(
            "_HAS_TRANSACTION_TIMEOUT = 17", "_HAS_TRANSACTION_TIMEOUT = 15"
        ),
        "transaction-waits-for-locks-without-end": Change(
            '"lock_timeout": str(LOCK_TIMEOUT_MS),',
            "",
            (f"{_DATABASE}::test_no_lock_no_statement_and_no_idle_transaction_is_waited_for_without_end",),
        ),
        "transaction-calls-the-network": Change(
            "token = _open.set(True)",
            "token = _open.set(False)",
            (f"{_DATABASE}::test_the_network_is_forbidden_inside_a_transaction_only",),
        ),
        "connection-that-is-silent-is-waited-for": Change(
            '"command_timeout": ANSWER_TIMEOUT,',
            '"command_timeout": None,',
            ("tests/adapters/store/test_silent_connections.py",),
        ),
        "connection-outlives-its-pool": Change(
            "if self._closed and pooled.dbapi_connection is not None:",
            "if False:",
            (f"{_DATABASE}::test_a_connection_that_comes_back_after_the_pool_was_closed_is_closed",),
        ),
    },
)
DRIVER = Group(
    "adapters/store/driver.py",
    Promise.ENDS,
    (_DATABASE,),
    {
        "transaction-that-failed-is-committed": Change(
            "            await _roll_back(driver, transaction)\n        raise\n",
            "            await transaction.commit()\n        raise\n",
            (f"{_DATABASE}::test_an_error_rolls_the_whole_transaction_back",),
        ),
        "transaction-that-reads-may-write": Change(
            'isolation="read_committed", readonly=readonly',
            'isolation="read_committed", readonly=False',
            (f"{_DATABASE}::test_reading_cannot_write",),
        ),
        "connection-that-is-lost-is-pooled": Change(
            "if driver.is_closed() or driver.is_in_transaction():",
            "if False:",
            ("tests/adapters/store/test_driver.py", _DATABASE),
        ),
        "connection-that-is-silent-is-pooled": Change(
            "    except TimeoutError:\n        driver.terminate()\n        raise\n    finally:",
            "    finally:",
            ("tests/adapters/store/test_silent_connections.py",),
        ),
        "connection-that-is-lost-costs-all-others": Change(
            "if driver.is_closed() or driver.is_in_transaction():",
            "if driver.is_in_transaction():",
            ("tests/adapters/store/test_driver.py",),
        ),
        "connection-inside-a-transaction-is-pooled": Change(
            "if driver.is_closed() or driver.is_in_transaction():",
            "if driver.is_closed():",
            ("tests/adapters/store/test_driver.py",),
        ),
    },
)

GROUPS = (
    LATENESS,
    LATE,
    LOOKING,
    ADOPTED,
    OVERDUE,
    UNPLANNED,
    ROUNDS,
    LOST_EFFECTS,
    DEFECTS,
    OUTCOMES,
    SWEEPING,
    LOST,
    BEHIND,
    WORKFLOW,
    BOUNDED,
    DRIVER,
)
