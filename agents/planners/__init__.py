"""Who thinks: a language model (`openai`), or deterministic rules (`rules`) when there is none."""
