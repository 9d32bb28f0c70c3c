"""Making a version again from what was kept with it, and naming what makes it come out different."""
