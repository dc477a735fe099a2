"""The operator: admits the objects, hands out addresses and duties, rolls statuses up."""
