# METADATA
# title: The one question
# description: |
#   Collects the violations of every policy below data.sluice.policies. Each policy is a package of its own with a
#   set `violations` of {rule, level, message} and the constant `evaluated`. The count of those constants is the
#   sentinel: an answer with too few rules is no answer.
# entrypoint: true
package sluice

verdict := {
	"violations": violations,
	"rules_evaluated": rules_evaluated,
	"revision": revision,
}

violations contains violation if {
	some name
	some violation in data.sluice.policies[name].violations
}

rules_evaluated := count([name | some name; data.sluice.policies[name].evaluated])

default revision := "unversioned"

revision := data.sluice.bundle.revision
