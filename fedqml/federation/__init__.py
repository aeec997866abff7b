"""Real federations: keys, the closed door, and what server and sites run."""
