"""``python -m nvcodec`` is ``nvc``."""

from __future__ import annotations

from nvcodec.cli.main import main

if __name__ == "__main__":
    main()
