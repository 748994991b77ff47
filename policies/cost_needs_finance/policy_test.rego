package sluice.policies.cost_needs_finance_test

import data.sluice.policies.cost_needs_finance as policy

test_evaluated if policy.evaluated

adding(cost) := {"cost": cost, "change": {"nodes_before": 6, "nodes_after": 7}}

money(amount, currency) := {"monthly_delta": amount, "currency": currency}

limits := {"monthly_above": 1000, "currency": "USD", "groups": ["finance"]}

test_the_threshold_itself_is_fine if {
	count(policy.violations) == 0 with input as adding(money(1000, "USD")) with data.sluice.limits.cost_needs_finance as limits
}

test_above_it_finance_must_approve if {
	some violation in policy.violations with input as adding(money(1000.01, "USD"))
		with data.sluice.limits.cost_needs_finance as limits
	violation.level == "soft"
	violation.groups == ["finance"]
	violation.roles == ["approver"]
	violation.message == "The change adds 1000.01 USD per month; above 1000 USD somebody of finance must approve."
}

test_unknown_costs_count_as_above if {
	some violation in policy.violations with input as adding(null) with data.sluice.limits.cost_needs_finance as limits
	startswith(violation.message, "The change adds costs that are not known;")
}

test_another_currency_counts_as_above if {
	count(policy.violations) == 1 with input as adding(money(10, "EUR")) with data.sluice.limits.cost_needs_finance as limits
}

test_shrinking_is_fine if {
	smaller := {"cost": null, "change": {"nodes_before": 6, "nodes_after": 5}}
	count(policy.violations) == 0 with input as smaller with data.sluice.limits.cost_needs_finance as limits
}

test_without_a_threshold_it_says_nothing if {
	count(policy.violations) == 0 with input as adding(money(999999, "USD"))
}

test_the_same_size_adds_nothing if {
	same := {"cost": null, "change": {"nodes_before": 6, "nodes_after": 6}}
	count(policy.violations) == 0 with input as same with data.sluice.limits.cost_needs_finance as limits
}

test_an_amount_that_is_no_number_is_told_as_unknown if {
	some violation in policy.violations with input as adding(money(null, "EUR"))
		with data.sluice.limits.cost_needs_finance as limits
	startswith(violation.message, "The change adds costs that are not known;")
}
