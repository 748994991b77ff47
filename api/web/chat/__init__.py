"""REQUEST in the browser: people ask in their own words and see what comes of it. Nothing is decided."""
