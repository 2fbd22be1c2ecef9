"""What is decided: the journey rule, penalty, policy, processor and driver. Pure: no clock, no chance, no I/O."""
