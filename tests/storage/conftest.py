"""What tests of storage share: an object store in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest


@dataclass(frozen=True)
class ObjectStore:
    """An empty bucket, and how to reach it."""

    url: str

    @property
    def options(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "the-key",
            "AWS_SECRET_ACCESS_KEY": "the-secret",
            "AWS_REGION": "eu-west-1",
        }

    def signers(self) -> str:
        """The access keys that requests were signed with."""
        with urlopen(f"{self.url}/signers") as answer:
            return answer.read().decode()


@pytest.fixture
def object_store() -> Iterator[ObjectStore]:
    """An empty object store on a free port of this machine."""
    script = Path(__file__).with_name("object_store.py")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield ObjectStore(f"http://127.0.0.1:{int(process.stdout.readline())}")
        process.kill()
