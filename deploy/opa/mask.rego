# What OPA's decision log must not hold, see https://www.openpolicyagent.org/docs/management-decision-logs#masking-sensitive-data.
# The names in `known` are those of the input (activities/guardrail/policy_input.py). Whatever else a later version
# sends is taken out until somebody has looked at it: words of people and agents never belong in there.
package system.log

mask contains path if {
	some name in object.keys(input.input)
	not name in known
	path := sprintf("/input/%s", [name])
}

mask contains path if {
	some name in object.keys(input.input.proposal)
	not name in known_of_proposal
	path := sprintf("/input/proposal/%s", [name])
}

mask contains hidden if {
	hides_people
	some index, _ in input.input.proposal.authors
	hidden := {"op": "upsert", "path": sprintf("/input/proposal/authors/%d/subject", [index]), "value": "hidden"}
}

mask contains hidden if {
	hides_people
	is_string(input.input.target.owner)
	hidden := {"op": "upsert", "path": "/input/target/owner", "value": "hidden"}
}

# Only a plain `false` shows people: not a missing file, not a blank.
hides_people if not shows_people

shows_people if data.decision_log.hide_people == false

known := {
	"action",
	"change",
	"cost",
	"environment",
	"fleet",
	"load",
	"now",
	"observation",
	"production",
	"proposal",
	"region",
	"target",
	"tenant",
}

known_of_proposal := {"authors", "channel", "confidence", "id", "model", "planner", "revision", "trust"}
