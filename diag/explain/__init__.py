"""A model and images in, attributions out: one method a file."""
