"""The API reference, rendered from its own OpenAPI document."""
