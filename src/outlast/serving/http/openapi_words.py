"""What the answers that are errors mean, in every operation."""

FAULTS = {
    "400": "The body or a header is malformed",
    "401": "The request needs a token",
    "403": "The token lacks the role or the model; without tokens, the request names another machine",
    "404": "There is no such model or source",
    "408": "The body did not arrive in time",
    "409": "What is there stands against it, or the caller is of another release",
    "413": "The body is too large",
    "415": "The body is not JSON",
    "422": "A row cannot be answered as it is; the error names row and field",
    "500": "The server failed, and its log says how",
    "503": "No answer can be given or kept now",
    "504": "The time that the caller gave ran out",
}
ASKED = [status for status in FAULTS if status != "500"]
"""Those of an operation that asks a model or tells it something."""
