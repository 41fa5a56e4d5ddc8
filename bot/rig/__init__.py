"""Stand-ins for GitHub, E2B and Amp on loopback. Loaded only by `ampbot rig`, `ampbot demo` and the tests."""
