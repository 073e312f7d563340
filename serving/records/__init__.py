"""What is kept of requests: figures, a line each, and the requests themselves."""
