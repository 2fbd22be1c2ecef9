"""The comparison with other systems, as far as it needs neither a network nor a broker."""
