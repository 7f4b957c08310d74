"""The fault matrix: what can meet a sync, and the proof that nothing is lost, leaked or left waiting."""
