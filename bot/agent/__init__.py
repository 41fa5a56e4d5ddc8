"""Everything about Amp, without I/O: its command line, its output stream, its result, its answer, and our prompt."""
