"""What trains the shipped models, and what was trained."""
