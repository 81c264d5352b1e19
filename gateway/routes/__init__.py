"""The routes of the public contract, by what they are about. They hold no business rule."""
