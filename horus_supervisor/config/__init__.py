"""The TOML file: its keys, how it is read, what is said of its mistakes."""
