"""The rows of the room stage, a module a kind of loss."""
