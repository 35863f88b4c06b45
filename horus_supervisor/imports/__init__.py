"""What may be said of an import of job code: what it raised, and what it left behind."""
