"""REQUEST over HTTP, from programs: alerts that fire become requests, alerts that resolve take theirs back."""
