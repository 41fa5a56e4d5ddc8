"""The soak: thousands of deliveries, random faults and kills, and a checker that says which promise was broken.

`python -m bot.rig.soak`. What people do is made from the seed; when a fault strikes is a matter of the machine's pace.
"""
