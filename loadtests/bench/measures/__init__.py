"""One module a kind of question; each gives rows."""
