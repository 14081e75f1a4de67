"""`python -m statuspage [proxy web | worker]`: run the page, or some of its processes."""

import gc

# What is imported stays: looking for garbage in it takes a tenth of the start.
gc.disable()
from statuspage.cli.run import main  # noqa: E402

gc.enable()

main()
