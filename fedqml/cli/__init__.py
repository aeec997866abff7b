"""The command `fedqml`: a file for each of its commands."""
