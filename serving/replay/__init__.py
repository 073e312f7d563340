"""A model asked, before it is pushed, what callers have asked: in the server that would answer."""
