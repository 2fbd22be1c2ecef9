"""Settings and what follows from them: environment variables, TLS and SASL, logs, policy files."""
