"""Fill the generated parts of docs/reference, or with --check say which are behind the code."""

import sys

from scripts.reference.pages import behind, refresh

if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        late = behind()
        for page in late:
            print(f"docs/reference/{page} is behind the code: run `python -m scripts.reference`", file=sys.stderr)
        raise SystemExit(1 if late else 0)
    for page in refresh():
        print(f"wrote docs/reference/{page}")
