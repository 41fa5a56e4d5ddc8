"""The soak test: thousands of deliveries with random faults and kills, then a check of every guarantee.

Run `python -m bot.rig.soak`. The seed decides what users do; when a fault applies depends on the machine's speed.
"""
