"""(c) FastAPI, redis-py and SQLAlchemy the straightforward way: a dependency a concern, one row lock a purchase."""
