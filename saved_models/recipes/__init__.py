"""What trains the shipped models."""
