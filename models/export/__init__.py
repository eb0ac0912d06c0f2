"""What the Trainer exports: SavedModel, LiteRT flatbuffer and model card."""
