"""One check: what arrived since the last one is put to the detectors, and what they find is said in sentences."""
