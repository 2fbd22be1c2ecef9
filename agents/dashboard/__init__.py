"""The local page: what is happening, why a journey ended, and what another policy would have done."""
