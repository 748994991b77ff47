"""Chat models, spoken to in OpenAI's wire format."""
