# METADATA
# title: Production changes in its hours
# description: |
#   Outside the given hours a production change needs an operator's override. Hours are local to the given time zone;
#   `until` itself is outside.
# custom:
#   level: soft
#   reads: limits.production_hours.time_zone, .days, .from, .until
#   remedy: Propose it within the hours, or let an operator approve.
package sluice.policies.production_hours

evaluated := true

violations contains violation if {
	input.production
	is_object(hours)
	not within
	violation := {
		"rule": "production_hours",
		"level": "soft",
		"message": sprintf("Production changes from %s to %s (%s) on %s, and it is %s.", [
			hours.from,
			hours.until,
			hours.time_zone,
			concat(", ", hours.days),
			input.now,
		]),
		"remedy": "Propose it within these hours, or let an operator approve.",
	}
}

within if {
	moment := [time.parse_rfc3339_ns(input.now), hours.time_zone]
	time.weekday(moment) in hours.days
	[hour, minute, _] := time.clock(moment)
	now := sprintf("%02d:%02d", [hour, minute])
	now >= hours.from
	now < hours.until
}

hours := data.sluice.limits.production_hours
