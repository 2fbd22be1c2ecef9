"""Guards that stop or pause a worker: no progress, a frozen process, too little memory, missing rights."""
