"""An event loop on a thread, cancellation of tasks, and logging."""
