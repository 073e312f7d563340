"""One self-contained page per run: whether its model may serve, and why."""
