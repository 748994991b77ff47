# METADATA
# title: Protected targets stay as they are
# description: A target that is declared `protected` is changed by nobody through Sluice, whatever people approve.
# custom:
#   level: hard
#   reads: targets[].protected
#   remedy: Have the protection taken away in the configuration, with the review that needs.
package sluice.policies.protected_target

evaluated := true

violations contains violation if {
	input.target != null
	not open
	violation := {
		"rule": "protected_target",
		"level": "hard",
		"message": sprintf("%s/%s is protected: nothing is changed there.", [input.action.cluster, input.action.node_pool]),
		"remedy": "Whoever owns the configuration can take `protected` away from the target.",
	}
}

open if input.target.protected == false
