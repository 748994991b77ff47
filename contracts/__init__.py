"""The nouns of the path: frozen models and enums, shared by every room, importing none of them."""
