# METADATA
# title: Boot disks under the customer's key
# description: |
#   In the listed environments a pool grows only if a customer-managed key encrypts its boot disks, and only one whose
#   resource name begins with a given prefix where prefixes are given.
# custom:
#   level: hard
#   reads: limits.disk_encryption.environments, .key_prefixes
#   remedy: Make a pool with boot_disk_kms_key and move the load there.
package sluice.policies.disk_encryption

evaluated := true

violations contains violation if {
	input.change.nodes_after > input.change.nodes_before
	input.environment in limits.environments
	not encrypted
	violation := {
		"rule": "disk_encryption",
		"level": "hard",
		"message": sprintf("Boot disks in %s need a key of ours; those of %s have %s.", [
			input.environment,
			input.action.node_pool,
			key_told,
		]),
		"remedy": "A pool's key is fixed when it is made: make one with a customer-managed key and move the load there.",
	}
}

encrypted if {
	some prefix in limits.key_prefixes
	prefix != ""
	startswith(input.observation.boot_disk.kms_key, prefix)
}

default key_told := "none"

key_told := input.observation.boot_disk.kms_key if input.observation.boot_disk.kms_key != ""

limits := data.sluice.limits.disk_encryption
