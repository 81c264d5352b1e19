"""`floodgate run`: the whole system on one machine, a demo sale in it, a crowd at its door, and a report at the end."""
