package system.log_test

import data.system.log

decision := {"input": {
	"tenant": "default",
	"reason": "free text",
	"target": {"owner": "ana@example.com"},
	"proposal": {
		"id": "prp_1",
		"rationale": "free text",
		"authors": [{"subject": "ana"}, {"subject": "agent"}],
	},
}}

test_what_nobody_looked_at_is_taken_out if {
	{"/input/reason", "/input/proposal/rationale"} & log.mask == {"/input/reason", "/input/proposal/rationale"} with input as decision
	not "/input/tenant" in log.mask with input as decision
}

test_people_are_hidden if {
	hidden := {mask.path | some mask in log.mask; is_object(mask)} with input as decision
	hidden == {
		"/input/target/owner",
		"/input/proposal/authors/0/subject",
		"/input/proposal/authors/1/subject",
	}
}

test_only_a_plain_false_shows_people if {
	shown := {mask.path | some mask in log.mask; is_object(mask)} with input as decision
		with data.decision_log.hide_people as false
	shown == set()
	hidden := {mask.path | some mask in log.mask; is_object(mask)} with input as decision
		with data.decision_log.hide_people as "false"
	count(hidden) == 3
}

test_a_target_without_owner_is_left_alone if {
	ownerless := {"input": {"target": {"owner": null}, "proposal": {"authors": []}}}
	log.mask == set() with input as ownerless
}
