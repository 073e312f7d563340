"""Answers to messages that keep coming, by a Beam pipeline: for runners of many machines."""
