"""The capacity agent: from a request about node pools to an answer, a question, a refusal or proposals."""
