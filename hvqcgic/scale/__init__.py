"""Folders of a million pictures: shards through the evaluator's codecs and metrics on a Dask cluster.

In: tar shards and what the evaluator is asked for. Out: one table of rows, done again where workers died.
May import: everything but `training` and `sweep`.
"""
