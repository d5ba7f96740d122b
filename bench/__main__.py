"""``python -m bench`` from a checkout, and ``python -m fesbench`` anywhere."""

from .cli import main

if __name__ == "__main__":
    main()
