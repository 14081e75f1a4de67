"""Tests: the product from outside, through HTTP, commands and the worker."""
