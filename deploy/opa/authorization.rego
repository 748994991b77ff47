# What OPA's own API lets a caller do, see `opa run --authorization=basic`. Reading decisions only: whoever reaches
# the port could otherwise replace the policies.
package system.authz

import rego.v1

default allow := false

allow if {
	input.method in {"GET", "POST"}
	input.path[0] == "v1"
	input.path[1] == "data"
	input.path[2] == "sluice"
}

allow if {
	input.method == "GET"
	input.path == ["health"]
}
