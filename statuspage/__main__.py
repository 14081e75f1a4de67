"""`python -m statuspage [proxy web | worker]`: run the page, or some of its processes."""

import gc

# What is imported stays: scanning it for garbage, now or later, takes a fifth of the start.
gc.disable()
from statuspage.cli.run import main  # noqa: E402

gc.freeze()
gc.enable()

main()
