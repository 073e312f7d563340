"""Answers to messages that keep coming: Pub/Sub in, Pub/Sub out, each message answered once."""
