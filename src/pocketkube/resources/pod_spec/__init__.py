"""Pods and pod templates: what their specs are filled up with, what they may hold, how they are shown. No kind lives
here.
"""
