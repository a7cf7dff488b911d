"""Grading a class: submissions in, a fresh cluster for each, grades out."""
