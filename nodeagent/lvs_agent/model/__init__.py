"""From objects and health to this node's desired state: everything between source and diff, without I/O."""
