"""Checkpoints: written whole or not at all, and gone on from only by the recipe that began them."""
