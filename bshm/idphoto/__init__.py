"""ID photos: what a matte tells of a head, where the frame goes, how copies lie on paper.

Arrays and numbers only. No face is detected: all is measured from the outline, hair included.
"""
