"""A cutout on something new: a background, and light and shadow that fit it. Arrays only.

What is estimated (`light.Light`, `shadow.Shadow`) is plain numbers, apart from what applies them:
a film estimates now and then, lets the numbers glide (`compose.ease`), and applies them to each
frame.
"""
