"""AUDIT, live: one server-sent event per numbered audit event, for browsers and other clients that follow along."""
