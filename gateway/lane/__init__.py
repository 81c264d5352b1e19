"""The express lane: the hot routes answered beneath the framework, in the server's protocol class.

Read `protocol` for the connection, `routes` for what is answered, `lane` for what they share. Whatever is unusual about
a request goes to the FastAPI app on the same connection, in its turn, so the lane is short and the contract is one.
"""
