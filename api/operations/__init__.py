"""Health, readiness and metrics of the API process."""
