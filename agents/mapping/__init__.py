"""Mappings: what the columns of somebody's files mean, said in TOML, applied by DuckDB."""
