"""Event loops on threads, tasks that end, and logs."""
