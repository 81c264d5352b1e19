"""`make bench`: what the front door does beside what an engineer would otherwise pick, in one run on one machine.

Everything measured is a process of its own, started here and reached over loopback; nothing of the rooms is imported
but in `within.py`, which says why.
"""
