"""What stands around every page and changes by itself: the count of waiting proposals, the banner of halts."""
