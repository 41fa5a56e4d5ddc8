"""A run: seven stages, each of which may be killed anywhere and begun again.

announce (in dispatch) -> prepare -> work -> collect -> check and publish, or review -> report
"""
