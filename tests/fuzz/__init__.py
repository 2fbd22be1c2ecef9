"""Bad input: named cases, and fuzzing from them, of everything that takes what others wrote."""
