"""One table of roles for the gateway's routes and for the policy bundle."""

import json
from importlib.resources import files


def test_the_bundle_and_the_gateway_know_the_same_roles() -> None:
    bundle = json.loads(files("services.policy").joinpath("rego", "data.json").read_text("utf-8"))["config"]["roles"]
    gateway = json.loads(files("agentos.contracts").joinpath("roles.json").read_text("utf-8"))["roles"]
    assert {role: sorted(actions) for role, actions in bundle.items()} == {
        role: sorted(actions) for role, actions in gateway.items()
    }
