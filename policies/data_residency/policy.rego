# METADATA
# title: Data residency
# description: |
#   What carries data of a residency class grows only in that class's regions. The class is the label that the target
#   declares, else the pool's own resource label. A class that nobody has defined is allowed nowhere.
# custom:
#   level: hard
#   reads: limits.data_residency.label, limits.data_residency.classes
#   remedy: Grow a pool in a region of the class.
package sluice.policies.data_residency

evaluated := true

violations contains violation if {
	input.change.nodes_after > input.change.nodes_before
	class != ""
	not in_place
	violation := {
		"rule": "data_residency",
		"level": "hard",
		"message": sprintf("Data of the class %s may not be in %s; allowed: %s.", [class, input.region, told]),
		"remedy": "Grow a pool in a region of the class, or have the label corrected by who owns the data.",
	}
}

in_place if input.region in regions

class := object.get(object.union(input.observation.resource_labels, declared), limits.label, "")

default declared := {}

declared := input.target.labels

regions := object.get(limits.classes, class, [])

told := concat(", ", regions) if count(regions) > 0

told := "nowhere, the class is not defined" if count(regions) == 0

limits := data.sluice.limits.data_residency
