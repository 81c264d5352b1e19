"""The scarce things: sales, items, reservations, payments. Promises that nothing is sold twice and nothing
acknowledged is lost. Redis decides fast, PostgreSQL decides finally."""
