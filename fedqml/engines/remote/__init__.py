"""Rounds whose clients train on other machines, whatever carries the messages."""
