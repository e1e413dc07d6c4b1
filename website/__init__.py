"""The documentation site: `make docs`. It reads docs/ and generates the references."""
