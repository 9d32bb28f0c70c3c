"""The environment that a version was made in, where it is another one than this."""

from outlast.bundle.environments.locks import differences, kept_lock, lock_here
from outlast.bundle.environments.making import Environment, environment_of
from outlast.bundle.predictor import open_bundle
from outlast.project.workspace import Workspace


def own_environment(workspace: Workspace, digest: str) -> Environment | None:
    """It, made from what the bundle says where it is not there yet; None where this one is just like it.

    Another build of Outlast alone makes no other environment: a server reads what earlier builds wrote.
    """
    bundle = open_bundle(workspace, digest)
    lock, _ = kept_lock(workspace, bundle, bundle.json("lineage.json"))
    others = [one for one in differences(lock, lock_here()) if one != "another build of Outlast"]
    return environment_of(lock, workspace.cache) if others else None
