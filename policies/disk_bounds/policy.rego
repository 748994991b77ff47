# METADATA
# title: Boot disk types and sizes
# description: |
#   A pool grows only with boot disks of an allowed type and of a size within bounds. Boot disks live and die with
#   their nodes, so their number and size is what storage of a pool costs.
# custom:
#   level: hard
#   reads: limits.disk_bounds.types, .min_gb, .max_gb
#   remedy: Make a pool with an allowed disk and move the load there.
package sluice.policies.disk_bounds

evaluated := true

violations contains violation if {
	growing
	not of_allowed_type
	violation := {
		"rule": "disk_bounds",
		"level": "hard",
		"message": sprintf("Boot disks are %s; allowed: %s.", [type_told, concat(", ", limits.types)]),
		"remedy": "Make a pool with an allowed disk type and move the load there.",
	}
}

violations contains violation if {
	growing
	is_number(limits.max_gb)
	not within
	violation := {
		"rule": "disk_bounds",
		"level": "hard",
		"message": sprintf("Boot disks have %v GB; allowed: %d to %d GB.", [size_told, limits.min_gb, limits.max_gb]),
		"remedy": "Make a pool with disks of an allowed size and move the load there.",
	}
}

growing if input.change.nodes_after > input.change.nodes_before

of_allowed_type if input.observation.boot_disk.type in limits.types

within if {
	input.observation.boot_disk.size_gb >= limits.min_gb
	input.observation.boot_disk.size_gb <= limits.max_gb
}

default type_told := "of an unknown type"

type_told := input.observation.boot_disk.type if input.observation.boot_disk.type != ""

default size_told := "an unknown number of"

size_told := input.observation.boot_disk.size_gb if input.observation.boot_disk.size_gb > 0

limits := data.sluice.limits.disk_bounds
