"""Policy + evidence → verdict; pure functions, no I/O."""
