"""The server: its settings, its application and its life from start to drain."""
