"""The fault matrix: what is broken on purpose, and the proof that every promise held all the same."""
