"""The timetable: what must happen again and again, led by one keeper at a time and taken over when it dies.

At least two keepers run. Each duty has a leader of its own, found by a PostgreSQL advisory lock and numbered by a
fence (docs/adr/0009-one-leader-a-duty.md).
"""
