"""What operator and agent share and lvs_api, which does no I/O, has no place for."""
