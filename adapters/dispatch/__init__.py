"""The dispatcher: delivers what committed transactions left in the outbox, to Temporal and to webhooks."""
