# METADATA
# title: The board approves a large impact
# description: |
#   What a shrink puts at risk is the share of revenue, or of customers, that the target carries, times the share of the
#   pool that is taken away. Above the threshold somebody of the named groups must approve. A target that declares no
#   share is judged in environments listed in `needed_in` only, and there counts as carrying everything.
# custom:
#   level: soft (approvers of the groups)
#   reads: limits.business_impact.above, .groups, .quorum, .needed_in, targets[].revenue_share, targets[].customer_share
#   remedy: Take away less at a time, or let the board approve.
package sluice.policies.business_impact

evaluated := true

violations contains violation if {
	some metric, share in shares
	impact := share * taken
	impact > limits.above
	violation := {
		"rule": "business_impact",
		"level": "soft",
		"message": sprintf("%v %% of the pool goes, which carries %v %% of the %s: an impact of %v %%, above %v %%.", [
			percent(taken),
			percent(share),
			metric,
			percent(impact),
			percent(limits.above),
		]),
		"remedy": "Take away less at a time, or let somebody of the named groups approve.",
		"roles": ["approver"],
		"groups": limits.groups,
		"quorum": limits.quorum,
	}
}

# One digit behind the point.
percent(share) := round(share * 1000) / 10

# The larger of what is taken of its nodes, and of the room that an autoscaler has.
taken := max([part(input.observation.total_nodes), part(input.change.nodes_before)])

part(before) := (before - input.change.nodes_after) / before if {
	before > input.change.nodes_after
}

else := 0

shares["revenue"] := share("revenue_share")

shares["customers"] := share("customer_share")

share(name) := input.target[name] if declared(name)

share(name) := 1 if {
	not declared(name)
	input.environment in limits.needed_in
}

declared(name) if is_number(input.target[name])

limits := data.sluice.limits.business_impact
