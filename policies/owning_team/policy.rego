# METADATA
# title: Every target has an owning team
# description: |
#   Nothing is changed that nobody owns. An unregistered target has no owner. In environments listed in
#   `owner_needed_in` the target must name a person or group too.
# custom:
#   level: hard
#   reads: targets[].team, targets[].owner, limits.owning_team.owner_needed_in
#   remedy: Register the target with its team, and its owner where one is needed.
package sluice.policies.owning_team

evaluated := true

violations contains violation if {
	not of_a_team
	violation := {
		"rule": "owning_team",
		"level": "hard",
		"message": sprintf("No team owns %s/%s.", [input.action.cluster, input.action.node_pool]),
		"remedy": "Register the target with the team that owns it.",
	}
}

violations contains violation if {
	of_a_team
	input.environment in data.sluice.limits.owning_team.owner_needed_in
	not of_a_person
	violation := {
		"rule": "owning_team",
		"level": "hard",
		"message": sprintf("%s/%s has no owner, and %s needs one.", [
			input.action.cluster,
			input.action.node_pool,
			input.environment,
		]),
		"remedy": "Name the owner of the target in the configuration.",
	}
}

of_a_team if trim_space(input.target.team) != ""

of_a_person if {
	is_string(input.target.owner)
	trim_space(input.target.owner) != ""
}
