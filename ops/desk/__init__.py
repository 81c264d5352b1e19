"""The customer-service desk: for any shopper and sale exactly one state and one reason, and every step with its time.

`rules` and `steps` are pure; `gather` collects the facts from the rooms' public functions; `service` audits.
"""
