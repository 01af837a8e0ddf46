"""What a target is and what was measured on it: errors, fingerprints, measuring, device profiles. Needs numpy only."""
