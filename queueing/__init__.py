"""The waiting room: tickets, positions, the frontier, signed admissions. Knows nothing of what is sold."""
