"""Training: losses, data, Lightning modules, export. Nothing outside this package imports it, but for thin commands."""

from contextlib import suppress

from hvqcgic.torchvision_shim import import_torchvision

# Lightning, lpips and compressai import torchvision, each in its own way: it must be importable before any of them is.
with suppress(ImportError):
    import_torchvision()
