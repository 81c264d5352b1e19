"""What an engineer would otherwise pick, written for the same duties on the same stores, as well as we can write it."""
