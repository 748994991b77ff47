"""Google Kubernetes Engine: reads node pools for PROPOSAL and VERIFICATION, changes them in EXECUTION."""
