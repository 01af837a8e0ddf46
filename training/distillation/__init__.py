"""Who teaches whom within a step, what is compared, and how far apart it may be; see ci_kd.py."""
