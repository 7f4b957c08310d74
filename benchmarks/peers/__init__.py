"""The same reading of Pylon by this connector and by what people use instead, against the same sandbox."""
