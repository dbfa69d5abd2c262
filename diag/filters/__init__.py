"""A model and images in, kernels and activations out."""
