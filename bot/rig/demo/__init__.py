"""`ampbot demo` and `ampbot rig`: a comment becomes a pull request on this machine."""
