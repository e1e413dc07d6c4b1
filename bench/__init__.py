"""The benchmark: `make bench`, or `python -m bench --help` for parts of it. README.md here says how it measures."""
