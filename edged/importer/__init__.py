"""Foreign networks in, bundles out."""
