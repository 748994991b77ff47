# METADATA
# title: Required labels
# description: |
#   A pool grows only if it carries every label that its environment requires, as a resource label of its own or
#   declared with its target. A blank value is none.
# custom:
#   level: hard
#   reads: limits.required_labels.environments
#   remedy: Label the pool, or declare the labels with its target.
package sluice.policies.required_labels

evaluated := true

violations contains violation if {
	input.change.nodes_after > input.change.nodes_before
	count(missing) > 0
	violation := {
		"rule": "required_labels",
		"level": "hard",
		"message": sprintf("%s/%s lacks labels that %s requires: %s.", [
			input.action.cluster,
			input.action.node_pool,
			input.environment,
			concat(", ", sort(missing)),
		]),
		"remedy": "Label the pool with them, or declare them as labels of its target.",
	}
}

missing contains label if {
	some label in data.sluice.limits.required_labels.environments[input.environment]
	not present(label)
}

present(label) if trim_space(input.observation.resource_labels[label]) != ""

present(label) if trim_space(input.target.labels[label]) != ""
