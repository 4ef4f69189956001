"""Shards of pictures on many machines: compressed, or coded and measured, by workers of Dask, into one table."""
