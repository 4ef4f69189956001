"""Choosing what an encoder may choose: which ratios give which rate."""
