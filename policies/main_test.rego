package sluice_test

import data.sluice

change := {
	"production": true,
	"environment": "production",
	"region": "europe-west4",
	"now": "2026-11-21T12:00:00+00:00",
	"action": {
		"kind": "gke.node_pool.resize",
		"cluster": "serving",
		"node_pool": "inference",
		"node_count": 4,
	},
	"target": {"team": "inference", "labels": {}, "protected": false},
	"observation": {
		"machine_type": "g2-standard-8",
		"accelerators": [{"type": "nvidia-l4", "count": 1}],
		"resource_labels": {},
		"total_nodes": 6,
		"cluster_nodes": 12,
	},
	"change": {"nodes_before": 6, "nodes_after": 12},
	"fleet": {"nodes": null},
	"proposal": {"planner": "direct", "model": "", "authors": [{"kind": "human"}]},
}

names := {name | some name; data.sluice.policies[name]; not endswith(name, "_test")}

test_nothing_is_violated_and_every_policy_is_named if {
	answer := sluice.verdict with input as change
	answer.violations == set()
	{name | some name in answer.policies} == names
}

test_violations_of_several_policies_come_together if {
	answer := sluice.verdict with input as object.union(change, {
		"target": {"team": ""},
		"change": {"nodes_before": 6, "nodes_after": 201},
	})
	{violation.rule | some violation in answer.violations} == {"owning_team", "pool_maximum"}
}

test_without_a_bundle_nothing_is_declared_and_the_revision_says_so if {
	answer := sluice.verdict with input as change
	answer.revision == "unversioned"
	answer.declared == []
}

test_the_revision_and_the_declared_policies_are_those_of_the_bundle if {
	answer := sluice.verdict with input as change
		with data.sluice.bundle as {"revision": "sha256:1", "policies": ["one"]}
	answer.revision == "sha256:1"
	answer.declared == ["one"]
}

test_an_input_without_observation_is_judged_and_denied if {
	answer := sluice.verdict with input as object.union(change, {"observation": null, "change": null})
	{violation.rule | some violation in answer.violations} == {"pool_observed"}
	{name | some name in answer.policies} == names
}
