"""How fast published answers go out, beside nginx with the same bytes: `python -m benchmarks`.

Absolute figures of one machine say little. Each round therefore asks both servers
for the same answer, one right after the other, and the ratio of the two counts.
"""
