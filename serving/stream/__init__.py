"""Answers to messages that keep coming: of Pub/Sub or in files, each answered once."""
