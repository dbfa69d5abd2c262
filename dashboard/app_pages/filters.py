"""What convolution layers look for, and what they answer to an image."""

import streamlit as st
from diag_loaders import load_activations, load_kernels, open_comparison
from diag_parts import choose_image, section, some_models
from diag_state import plain

from diag.views.figures import activation_figure, kernel_figure

comparison = open_comparison()
if comparison is not None:
    index = choose_image(comparison)
    shown = some_models(comparison)
    for name, run in zip(shown.names, shown.runs, strict=True):
        st.subheader(plain(name))
        with section():
            kernels = load_kernels(run.model.digest, run.model)
            if not kernels:
                st.caption("This network has no 2-D convolution layer.")
                continue
            layer, kernel = next(iter(kernels.items()))
            st.caption(f"Kernels of the first convolution, {plain(layer)}: each on its own scale, black to white")
            st.image(kernel_figure(kernel).png)
            for layer, values in load_activations(run.model.digest, run.data.digest, index, run).items():
                st.caption(
                    f"Activations of {plain(layer)}, {values.shape[1]}×{values.shape[2]}, {values.shape[3]} filters: "
                    "each on its own scale, black to white"
                )
                st.image(activation_figure(values[0]).png)
