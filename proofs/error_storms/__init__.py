"""Storms of 429 and 503 from the provider and from the model: what arrives there, meanwhile and afterwards."""
