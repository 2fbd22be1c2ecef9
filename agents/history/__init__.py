"""Recorded history: files of lines, imports, packed history, backtests, exports."""
