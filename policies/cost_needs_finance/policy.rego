# METADATA
# title: Finance agrees to large rises in cost
# description: |
#   Above the given rise per month somebody of the finance group must approve. A rise whose cost is not known, or known
#   in another currency only, counts as above.
# custom:
#   level: soft (an approver of the group)
#   reads: limits.cost_needs_finance.monthly_above, .currency, .groups
#   remedy: Ask for less, or let finance approve.
package sluice.policies.cost_needs_finance

evaluated := true

violations contains violation if {
	not affordable
	violation := {
		"rule": "cost_needs_finance",
		"level": "soft",
		"message": sprintf("The change adds %s; above %v %s somebody of %s must approve.", [
			cost_told,
			limits.monthly_above,
			limits.currency,
			concat(" or ", limits.groups),
		]),
		"remedy": "Ask for less, or let one of them approve.",
		"roles": ["approver"],
		"groups": limits.groups,
	}
}

affordable if {
	input.cost.currency == limits.currency
	input.cost.monthly_delta <= limits.monthly_above
}

affordable if input.change.nodes_after <= input.change.nodes_before

default cost_told := "costs that are not known"

cost_told := sprintf("%v %s per month", [input.cost.monthly_delta, input.cost.currency]) if {
	is_number(input.cost.monthly_delta)
}

limits := data.sluice.limits.cost_needs_finance
