"""Google's ClusterManager API and the instance group read, on the wire, without Google. See docs/emulator.md."""
