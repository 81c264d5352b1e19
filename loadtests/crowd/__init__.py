"""The crowd: thousands of seeded shoppers who know the public HTTP and nothing else.

`python -m loadtests.crowd --gateway URL --sale ID --shoppers N --seed S --history FILE --summary FILE`

It imports none of the rooms: what it is told over HTTP it writes down, and the system is judged by that history.
"""
