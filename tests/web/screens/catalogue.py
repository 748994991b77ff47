"""Every screen in every state: what `test_accessible.py` judges, and what `make screens` takes the pictures of.

A new state is one line here. Lines of one scene stand together: a scene is served once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from tests.browser import CUT
from tests.web.screens import acts
from tests.web.screens.screen import Screen, live, offline, press, then, unfold, wait_for

HATCHED = ("due to a pseudo element", "partially overlaps other elements")
"""Words beside the hatched edge of unverified text; tests/web_assets checks the contrast there."""
SCROLLED = ("partially obscured by another element", "is overlapped by another element")
"""What one scrolls to sideways, or inside a list of its own."""
SHORT = ("Element content is too short",)
"""A count of one digit has the colour of other faint text, which is judged."""

ROOMS: Mapping[str, str] = {
    "login": "Signing in",
    "inbox": "Inbox",
    "proposal": "Proposal",
    "chat": "Chat",
    "activity": "Activity",
    "operations": "Operations",
    "people": "People",
    "policy": "Rules",
    "audit": "Audit",
    "reference": "API reference",
    "shell": "Around every page",
}

# fmt: off
_login = partial(Screen, "login", "nothing", person=None)
LOGIN = (
    Screen("login", "provider", "provider", "An identity provider is configured: its button comes first.", "/login",
           None),
    _login("sign-in", "Without a provider people sign in by one-time links.", "/login"),
    _login("signed-out", "The session of this browser is over.", "/login?signed_out=1"),
    _login("confirm", "A link says as whom it signs in, and waits for a press.", "{link}"),
    _login("used-link", "A link that was used, is too old or unknown.", "/login?link=unknown",
           faults=("status of 410",)),
)

_chat = partial(Screen, "chat", "nothing", person="ana")
_operations = partial(Screen, "operations", "nothing", person="vera")
_people = partial(Screen, "people", "nothing")
_policy = partial(Screen, "policy", "nothing", explained=SCROLLED)
_reference = partial(Screen, "reference", "nothing", person="vera", explained=SCROLLED)
_shell = partial(Screen, "shell", "nothing")
NOTHING = (
    Screen("inbox", "nothing", "empty", "Nothing waits: why, and the next command.", "/"),
    _chat("empty", "Before the first request: what one can say.", "/chat"),
    _chat("not-a-requester", "Who may not ask is told which role it takes.", "/chat", person="ben"),
    _chat("offline", "Without a connection the text stays and is not sent.", "/chat",
          act=acts.write_offline, faults=CUT),
    Screen("activity", "nothing", "empty", "Nothing of this kind has happened yet.", "/activity?kind=proposals", "vera",
           act=acts.feed_live, explained=SCROLLED),
    _operations("breakers-none", "No breaker ever counted a failure.", "/operations/breakers"),
    _operations("fleet-unseen", "Before the first look at the fleet.", "/operations/fleet"),
    _people("nobody-away", "Nobody is away, and nobody has decided yet.", "/people"),
    _policy("unanswered", "The policy engine does not answer; no candidate runs in shadow.", "/policy"),
    _reference("top", "Every operation of the JSON API, from local files.", "/docs"),
    _reference("operation", "One operation: what it takes and answers.", "/docs", act=acts.filtered_reference),
    _shell("design", "Every component in every state.", "/design"),
    _shell("not-there", "An address that leads nowhere.", "/nowhere", faults=("status of 404",)),
    _shell("no-role", "Signed in, without any role.", "/", person="nobody", faults=("status of 403",)),
    _shell("shortcuts", "The keys, and the switch that turns them off.", "/", act=acts.shortcuts_open,
           sizes=("desktop",)),
    _shell("navigation", "The navigation on a phone.", "/", act=acts.navigation_open, sizes=("phone",)),
)

_inbox = partial(Screen, "inbox", "morning")
INBOX = (
    _inbox("mine", "What waits for me: what expires first stands first.", "/"),
    _inbox("all", "All that waits, and why a line is not mine.", "/?tab=all"),
    _inbox("decided", "What was decided: by whom, and what came of it.", "/?tab=decided"),
    _inbox("filtered", "Filters stand in the address.", "/?tab=all&risk=low"),
    _inbox("no-match", "Nothing matches: one press clears the filters.", "/?q=zzz"),
    _inbox("together", "Identical low-risk changes, decided together.", "/", act=acts.together),
    _inbox("offline", "Without a connection: how old the list is.", "/", act=offline, faults=CUT),
    Screen("inbox", "one waits", "news", "New lines are announced and do not move what is read.", "/", act=acts.news),
)

_proposal = partial(Screen, "proposal", "proposals", explained=HATCHED)
PROPOSAL = (
    _proposal("evaluating", "The guardrails are looking at it.", "/proposals/{evaluating}"),
    _proposal("awaiting-production", "Ten facts and the decision; production asks to type the target's name.",
              "/proposals/{awaiting}"),
    _proposal("awaiting-development", "Outside production, and reversible: no name to type.",
              "/proposals/{development}"),
    _proposal("from-alert", "Made from an alert: untrusted text, and no way back.", "/proposals/{alert}"),
    _proposal("voted", "One of two has approved, and it was me; people comment.", "/proposals/{voted}"),
    _proposal("drifted", "The target changed since it was observed.", "/proposals/{drifted}"),
    _proposal("own-request", "Who asked does not decide; who can is said.", "/proposals/{awaiting}", person="ana"),
    _proposal("viewer", "Who only reads sees everything but the decision.", "/proposals/{awaiting}", person="vera"),
    _proposal("no-reason", "A rejection without a reason is asked for one.", "/proposals/{awaiting}",
              act=then(live, press("Reject"), wait_for("text=Say why, so that")), faults=("status of 422",)),
    _proposal("evaluated-anew", "The guardrails looked again while one wrote.", "/proposals/{changed}",
              act=acts.judge_anew),
    _proposal("conflict", "Somebody was faster; the comment is kept.", "/proposals/{conflict}", act=acts.come_late,
              faults=("status of 409",)),
    _proposal("offline", "Without a connection: decisions are off.", "/proposals/{awaiting}", act=offline, faults=CUT),
    _proposal("uninspectable", "Facts are missing: it cannot be approved.", "/proposals/{lost}"),
    _proposal("hostile", "Hostile text in every field stays text.", "/proposals/{hostile}",
              explained=(*HATCHED, *SCROLLED)),
    _proposal("held", "Approved, and held until the cluster is free.", "/proposals/{held}"),
    _proposal("edited", "Edited: who changed which number; every vote before is void.", "/proposals/{edited}"),
    _proposal("edit", "The form of an edit, with the size that a link proposed.", "/proposals/{small}?node_count=3",
              act=wait_for("#edit[open]")),
    _proposal("edit-refused", "An edit without a reason is asked for one.", "/proposals/{small}?node_count=3",
              act=then(live, press("Save as revision 2"), wait_for("text=Say why, so that")),
              faults=("status of 422",)),
    _proposal("change-vote", "A vote can be changed or withdrawn until it is decided.", "/proposals/{voted}",
              act=unfold("Change or withdraw")),
    _proposal("groups", "Groups that are asked, and who is away.", "/proposals/{groups}", person="ana"),
    _proposal("in-the-place-of", "Deciding in the place of somebody.", "/proposals/{groups}", person="vera"),
    _proposal("held-window", "Held on a closed window: when it opens, and who may override it.",
              "/proposals/{frozen}"),
    _proposal("override", "The named role overrides the window, with a reason.", "/proposals/{frozen}",
              person="olga"),
    _proposal("executing", "The provider took the call.", "/proposals/{executing}"),
    _proposal("verifying", "What really runs is being looked at.", "/proposals/{verifying}"),
    _proposal("rolling-back", "The outcome was wrong: the way back is under way.", "/proposals/{rolling_back}"),
    _proposal("succeeded", "Done and verified; it can be undone.", "/proposals/{succeeded}"),
    _proposal("no-op", "The target already was as wanted.", "/proposals/{no_op}"),
    _proposal("rolled-back", "The state before is restored.", "/proposals/{rolled_back}"),
    _proposal("denied", "A guardrail denied it: what would have to change.", "/proposals/{denied}"),
    _proposal("rejected", "A reviewer rejected it, with a named reason.", "/proposals/{rejected}"),
    _proposal("expired", "Nobody decided in time, which counts as no.", "/proposals/{expired}"),
    _proposal("cancelled", "The requester took it back.", "/proposals/{cancelled}"),
    _proposal("stale", "The target was not as approved: nothing ran.", "/proposals/{stale}"),
    _proposal("failed", "The provider refused: no effect took place.", "/proposals/{failed}"),
    _proposal("dirty-operator", "A person must look; an operator resolves it.", "/proposals/{dirty}", person="olga"),
    _proposal("dirty-others", "The same for everybody else.", "/proposals/{dirty}"),
    _proposal("runbook", "The runbook of a dirty proposal, one click away.", "/runbooks/dirty-proposal", person="olga"),
    _proposal("not-there", "There is no such proposal.", "/proposals/prp_nowhere", faults=("status of 404",)),
)

_talk = partial(Screen, "chat", "talks", person="ana", explained=HATCHED)
CHAT = (
    _talk("working", "The planner at work: its steps, and the text as it is written.", "/chat/{working}",
          act=then(wait_for(".chip >> nth=3"), wait_for("[data-draft]:not([hidden])"))),
    _talk("answered", "An answer: nothing is to be changed.", "/chat/{answered}"),
    _talk("question", "The planner asks back.", "/chat/{asked}"),
    _talk("proposed", "A proposal, as a card that follows its state.", "/chat/{proposed}"),
    _talk("refused", "Refused: nothing was proposed.", "/chat/{refused}"),
    _talk("failed", "The model failed: nothing was proposed.", "/chat/{failed}"),
)

_calm = partial(Screen, "operations", "calm", person="olga", explained=SHORT)
_busy = partial(Screen, "operations", "busy", person="olga", explained=SHORT)
_guarded = partial(Screen, "operations", "guarded", person="olga", explained=SHORT)
OPERATIONS = (
    _calm("overview-calm", "A calm day.", "/operations"),
    _calm("halts-none", "Nothing is halted.", "/operations/halts"),
    _calm("break-glass-none", "No gate is bypassed: how it is asked for.", "/operations/break-glass"),
    _calm("windows-none", "No change window is declared.", "/operations/windows"),
    _calm("budgets", "Spent, reserved, left and the forecast against each limit.", "/operations/budgets",
          act=acts.budget_numbers),
    _calm("new-halt", "The first step of a halt: what to stop, and why.", "/operations/halts/new",
          act=acts.some_chosen),
    _busy("overview-busy", "A bad night: what wants attention comes first.", "/operations"),
    _busy("halts", "Halts that stand, and those that ended.", "/operations/halts"),
    _busy("halt-draining", "Draining: a call may still be in flight.", "/operations/halts/{draining}"),
    _busy("halt-effective", "Effective: no covered effect can start.", "/operations/halts/{effective}"),
    _busy("halt-ended", "Ended: by whom, and when.", "/operations/halts/{ended}"),
    _busy("halt-ending", "Ending one says what goes on.", "/operations/halts/{draining}", act=acts.ask_to_end),
    _busy("new-halt-confirm", "The second step: what it stops, and what finishes all the same.",
          "/operations/halts/new", act=acts.all_halted),
    _busy("not-an-operator", "Who is no operator is told who can.", "/operations/halts/new", person="vera"),
    _busy("breakers", "Breakers: open, half-open and closed.", "/operations/breakers"),
    _busy("breaker-open", "An open breaker: its failures, what it holds, the reset.", "/operations/breakers/{kind}"),
    _busy("breaker-half-open", "Half-open: one probe is under way.", "/operations/breakers/{target}", person="vera"),
    _busy("fleet", "Every pool as it was last seen, with what is about to change it.", "/operations/fleet"),
    _busy("fleet-no-match", "No pool fits the filters.", "/operations/fleet?q=nothing-like-it"),
    _guarded("overview-guarded", "Break-glass stands on every page, and in the overview.", "/operations"),
    _guarded("break-glass", "What counts or waits, open reviews, what is over.", "/operations/break-glass"),
    _guarded("break-glass-new", "Asking for it: a scope, some gates, minutes and a reason.",
             "/operations/break-glass/new", act=acts.some_bypassed),
    _guarded("break-glass-own", "It waits for a second person, who is not the one who asked.",
             "/operations/break-glass/{waiting}"),
    _guarded("break-glass-waiting", "The same for somebody who can confirm it.", "/operations/break-glass/{waiting}",
             person="ben"),
    _guarded("break-glass-active", "Active: what it bypasses, what it never does, what it let through.",
             "/operations/break-glass/{active}"),
    _guarded("break-glass-review", "Over: a third person closes the review in words.",
             "/operations/break-glass/{due}", person="cleo"),
    _guarded("break-glass-viewer", "Who only reads is told who can.", "/operations/break-glass/{due}", person="vera"),
    _guarded("break-glass-reviewed", "Over, and reviewed.", "/operations/break-glass/{reviewed}"),
    _guarded("break-glass-lapsed", "Taken back: it never bypassed anything.", "/operations/break-glass/{lapsed}"),
    _guarded("windows", "Change windows: what lasts now, when that changes, what waits.", "/operations/windows"),
    _guarded("breakers-scopes", "Breakers of an agent, a provider, a model and a target.", "/operations/breakers"),
    _guarded("breaker-by-hand", "Opened by a person, until a person closes it.", "/operations/breakers/{agent}"),
    _guarded("breaker-read-first", "Its time is over: a read comes first, then a probe.",
             "/operations/breakers/{target}"),
    _guarded("breaker-new", "Opening one by hand, with a reason.", "/operations/breakers/new", act=acts.agent_chosen),
    _guarded("budgets-marked", "A soft limit, alerts, a budget of models, and how far estimates were off.",
             "/operations/budgets", act=acts.budget_numbers),
    _guarded("new-halt-agent", "A halt on one agent: what it stops.", "/operations/halts/new", act=acts.agent_halted),
)

_away = partial(Screen, "people", "people", explained=SHORT)
_rules = partial(Screen, "policy", "rules", explained=SCROLLED)
RULES = (
    _away("everybody", "Who stands in for whom, and how everybody decides.", "/people", person="olga"),
    _away("own", "One's own delegations and figures, and the form that lends the vote.", "/people"),
    _away("refused", "A form that is not whole says what is missing, and keeps its words.", "/people",
          act=then(live, press("Lend the vote"), wait_for("text=Name the person who decides")),
          faults=("status of 422",)),
    _rules("operator", "Policies in force, a candidate in shadow, and a newer file that is refused.", "/policy",
           person="olga"),
    _rules("viewer", "The same for everybody else: which file is in force is for operators.", "/policy",
           person="vera"),
)

_JUDGED = (*SCROLLED, *HATCHED)
_activity = partial(Screen, "activity", "audit", person="vera", explained=_JUDGED)
_audit = partial(Screen, "audit", "audit", person="vera", explained=_JUDGED)
AUDIT = (
    _activity("live", "What happens, as it happens.", "/activity", act=acts.feed_live),
    _activity("filtered", "One kind, one place.", "/activity?kind=proposals&place=production", act=acts.feed_live),
    _activity("paused", "Paused: what is new is counted.", "/activity?kind=proposals", act=acts.feed_paused),
    _audit("list", "The log: every event numbered and signed.", "/audit"),
    _audit("filtered", "Filters stand in the address; one event's payload.", "/audit?subject={done}",
           act=then(unfold("Types of events"), acts.payload)),
    _audit("no-match", "No event fits.", "/audit?subject=nothing"),
    _audit("event", "One event with its place in the tree.", "/audit/events/20"),
    _audit("record", "The decision record: one proposal in plain words.", "/audit/proposals/{done}"),
    _audit("record-denied", "The record of a denial.", "/audit/proposals/{denied}"),
    _audit("verified", "Verified: the log is what was signed.", "/audit", act=acts.verified),
    _audit("verifying", "Verifying a long log.", "/audit", act=acts.verifying),
    Screen("audit", "tampered", "faulty", "Verified: the log is not what was signed.", "/audit", "vera",
           act=acts.verified, explained=_JUDGED),
)

CATALOGUE: Sequence[Screen] = (
    *LOGIN, *NOTHING, *INBOX, *PROPOSAL, *CHAT, *OPERATIONS, *RULES, *AUDIT,
    Screen("shell", "down", "unavailable", "A part does not answer: the trace, and another try.", "/design",
           act=acts.lose_database, faults=("status of 503",)),
)
# fmt: on
