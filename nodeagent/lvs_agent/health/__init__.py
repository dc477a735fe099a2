"""Health: finds out, check by check, which real servers answer, and says so when that changes."""
