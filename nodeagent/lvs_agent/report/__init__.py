"""What the agent tells the API server about its node: statuses, each under the node's own field manager."""
