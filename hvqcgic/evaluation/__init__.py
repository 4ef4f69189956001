"""Measuring codecs: real files of every codec at every operating point, metrics, curves and the report."""
