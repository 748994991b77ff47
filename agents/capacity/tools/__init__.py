"""What the agent may read, one tool per file. Every tool is read-only and answers with small JSON."""
