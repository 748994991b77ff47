# METADATA
# title: Models that may plan
# description: |
#   A change that a language model planned must come from a model on the list. A planner that does not name its model
#   is on no list. Rules, people and undo are no models.
# custom:
#   level: hard
#   reads: limits.model_allow_list.models
#   remedy: Let an allowed model plan, or propose it directly.
package sluice.policies.model_allow_list

evaluated := true

violations contains violation if {
	not without_model
	not listed
	violation := {
		"rule": "model_allow_list",
		"level": "hard",
		"message": sprintf("The model %q may not plan changes; allowed: %s.", [
			input.proposal.model,
			concat(", ", limits.models),
		]),
		"remedy": "Let an allowed model plan, or propose the change directly.",
	}
}

without_model if input.proposal.planner in {"direct", "rules", "undo"}

listed if {
	input.proposal.model != ""
	input.proposal.model in limits.models
}

limits := data.sluice.limits.model_allow_list
