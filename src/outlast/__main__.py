"""`python -m outlast`, the same as `outlast`."""

from outlast.cli import main

main()
