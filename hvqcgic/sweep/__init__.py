"""Sweeps: many operating points and short trainings, chosen by Optuna, on any number of workers."""
