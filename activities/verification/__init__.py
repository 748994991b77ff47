"""VERIFICATION: what runs, compared with what was decided; and the close of every effect."""
