"""What must happen although nobody asks: reminders, probes, sweeps. `HousekeepingWorkflow` runs it."""
