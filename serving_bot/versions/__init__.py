"""The push folder: its versions, the live version, and hot swap."""
