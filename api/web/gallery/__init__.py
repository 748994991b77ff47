"""The gallery: every component of the pages in every state, for whoever changes one."""
