package sluice.policies.production_hours_test

import data.sluice.policies.production_hours as policy

test_evaluated if policy.evaluated

at(now) := {"production": true, "now": now}

limits := {
	"time_zone": "Europe/Berlin",
	"days": ["Monday", "Friday"],
	"from": "09:00",
	"until": "17:00",
}

test_within_the_hours_it_is_fine if {
	count(policy.violations) == 0 with input as at("2026-11-20T08:00:00+00:00") with data.sluice.limits.production_hours as limits
	count(policy.violations) == 0 with input as at("2026-11-20T15:59:59+00:00") with data.sluice.limits.production_hours as limits
}

test_hours_are_those_of_the_time_zone if {
	count(policy.violations) == 1 with input as at("2026-11-20T07:59:59+00:00") with data.sluice.limits.production_hours as limits
	count(policy.violations) == 1 with input as at("2026-11-20T16:00:00+00:00") with data.sluice.limits.production_hours as limits
}

test_another_day_needs_an_operator_and_the_hours_are_told if {
	some violation in policy.violations with input as at("2026-11-21T12:00:00+00:00")
		with data.sluice.limits.production_hours as limits
	violation.level == "soft"
	contains(violation.message, "from 09:00 to 17:00 (Europe/Berlin) on Monday, Friday")
}

test_the_day_is_that_of_the_time_zone if {
	late := object.union(limits, {"from": "00:00", "until": "24:00"})
	count(policy.violations) == 1 with input as at("2026-11-20T23:30:00+00:00") with data.sluice.limits.production_hours as late
	count(policy.violations) == 0 with input as at("2026-11-22T23:30:00+00:00") with data.sluice.limits.production_hours as late
}

test_elsewhere_than_production_hours_do_not_matter if {
	count(policy.violations) == 0 with input as {"production": false, "now": "2026-11-21T12:00:00+00:00"}
		with data.sluice.limits.production_hours as limits
}

test_without_hours_it_says_nothing if {
	count(policy.violations) == 0 with input as at("2026-11-21T12:00:00+00:00")
}
