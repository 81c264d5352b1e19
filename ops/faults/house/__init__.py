"""Rows that need the real processes: what kills, stops, floods or deceives them, and what shoppers get meanwhile."""
