# METADATA
# title: Regions by environment
# description: Pools grow only in the regions that their environment allows. Shrinking is fine everywhere.
# custom:
#   level: hard
#   reads: limits.region.environments
#   remedy: Grow a pool in one of the allowed regions.
package sluice.policies.region

evaluated := true

violations contains violation if {
	input.change.nodes_after > input.change.nodes_before
	not in_place
	violation := {
		"rule": "region",
		"level": "hard",
		"message": sprintf("%s is not a region for %s; allowed: %s.", [
			input.region,
			input.environment,
			concat(", ", allowed),
		]),
		"remedy": "Grow a pool in one of the allowed regions.",
	}
}

in_place if input.region in allowed

allowed := data.sluice.limits.region.environments[input.environment]
