# METADATA
# title: Every target has an owning team
# description: Nothing is changed that nobody owns. An unregistered target has no owner.
# custom:
#   level: hard
package sluice.policies.owning_team

evaluated := true

violations contains violation if {
	not owned
	violation := {
		"rule": "owning_team",
		"level": "hard",
		"message": sprintf("No team owns %s/%s.", [input.action.cluster, input.action.node_pool]),
	}
}

owned if trim_space(input.target.team) != ""
