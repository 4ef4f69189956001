"""Folders of a million pictures: tar shards coded and measured by the evaluator on a Dask cluster.

Input: tar shards, codecs, metrics. Output: one table of rows; shards of dead workers are repeated.
May import: everything but `training` and `sweep`.
"""
