"""Arrays in, numbers out: NumPy and SciPy, never TensorFlow."""
