"""What a user writes: the workspace, the contract, model.py and the classes it is written with."""
