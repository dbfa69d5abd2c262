"""Trained models with their cards, and the recipes that train them."""
