"""A fitted estimator as data that needs no library, where its answers stay equal; else the reason why not."""
