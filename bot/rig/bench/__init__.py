"""The benchmarks: overhead of a run, many live runs, and the receiver beside others."""
