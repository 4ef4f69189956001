"""Sweeps: many operating points and short trainings, chosen by Optuna, on any number of workers.

Input: pictures, a search space, objectives. Output: a study, its Pareto front, named operating points.
May import: everything but `scale`.
"""
