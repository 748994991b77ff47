"""The Kubernetes API: what VERIFICATION asks of the nodes themselves."""
