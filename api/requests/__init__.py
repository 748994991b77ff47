"""REQUEST over HTTP: chat text in, its one outcome out."""
