"""`python -m statuspage [front web | worker]`: run the page, or some of its processes."""

from statuspage.cli.run import main

main()
