"""The push folder: its versions, which one is live, and hot swap."""
