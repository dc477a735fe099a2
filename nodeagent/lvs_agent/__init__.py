"""The node agent: makes this node's kernel match what the objects say, checks health, reports."""
