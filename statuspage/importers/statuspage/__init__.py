"""Brings the page of another product over: what it recorded becomes rows of ours."""
