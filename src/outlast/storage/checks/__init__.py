"""What every back end of a storage kind must do, as plain functions that anyone can run on a back end of their own."""
