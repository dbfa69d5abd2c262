"""A model and images in, kernels and activations out."""

from diag.filters.layers import activations, kernels

__all__ = ["activations", "kernels"]
