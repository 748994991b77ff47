"""The governed path beside its floor, beside a plain Temporal version, and beside LangGraph with a checkpointer."""
