"""Files that commands read and write: lines as they arrive, files read twice, outputs complete or not at all."""
