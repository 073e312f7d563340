"""The runs there were on this machine, and what is done when one has ended."""
