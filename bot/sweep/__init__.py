"""The sweep: now and then, what was missed, left over or has grown old is found and put right.

Every part is find-then-create and bounded, and one that fails leaves the others to do their work.
"""
