# METADATA
# title: The one question
# description: |
#   Collects the violations of every policy below data.sluice.policies. Each policy is a package of its own with a
#   set `violations` of {rule, level, message} and the constant `evaluated`. The names of those constants are the
#   sentinel: an answer that lacks a policy is no answer. `declared` are those that the bundle was made of.
# entrypoint: true
package sluice

verdict := {
	"violations": violations,
	"policies": [name | data.sluice.policies[name].evaluated],
	"declared": declared,
	"revision": revision,
}

violations contains violation if {
	some name
	some violation in data.sluice.policies[name].violations
}

default declared := []

declared := data.sluice.bundle.policies

default revision := "unversioned"

revision := data.sluice.bundle.revision
