"""The protocols spoken: what each makes of a request, and how each tells the answer."""
