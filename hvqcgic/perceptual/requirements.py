"""What LPIPS needs. Without torch, so that what it lacks is said at once."""

LPIPS_PACKAGES = ("lpips", "torchvision")
"""Modules that LPIPS imports."""
SMALLEST_SIDE_PX = 32
"""Smallest side of a picture for the feature networks."""
