"""Folders of a million pictures: tar shards coded and measured by the evaluator on a Dask cluster.

In: tar shards, codecs, metrics. Out: one table of rows; shards of dead workers are repeated.
May import: everything but `training` and `sweep`.
"""
