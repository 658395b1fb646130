"""Readers of cards, PINs and codes, and being a reader ourselves."""
