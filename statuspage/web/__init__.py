"""Edges, one package per audience: they translate, and little else."""
