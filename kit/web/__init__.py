"""What every HTTP door shares: problem answers, languages, body limits, health and metrics, serving."""
