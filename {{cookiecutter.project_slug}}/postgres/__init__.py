"""PostgreSQL's own programs, and the embedded server. The ground floor: it imports nothing of the project."""
