"""How risky what waits is: each sentence has its ground in the log, and the gravest makes the level."""

from typing import Any

import pytest

from services.ledger.domain.risk import Known, risk_of


def approval(**changed: Any) -> dict[str, Any]:
    return {"kind": "tool", "preview": {"arguments": {"body": "Hello"}}, "reasons": ["effect.write"], "quorum": 1} | changed


@pytest.mark.parametrize(
    ("asked", "known", "level", "says"),
    [
        (approval(), Known("read", {}, untrusted=False), "low", "only reads"),
        (approval(), Known("write", {}, untrusted=False), "medium", "changes something"),
        (approval(), Known("egress", {}, untrusted=False), "medium", "sends something out"),
        (approval(), Known(), "medium", "not known"),
        (approval(), Known("egress", {}, untrusted=True), "high", "text from outside"),
        (approval(), Known("read", {}, untrusted=True), "medium", "text from outside"),
        (approval(reasons=["history.injection_suspected"]), Known("write"), "high", "looks like an instruction"),
        (approval(), Known("read", {"SECRET": 2}), "high", "2 secrets were found"),
        (approval(), Known("egress", {"EMAIL": 1, "PERSON": 2}), "medium", "3 pieces of personal data"),
        (approval(preview={"arguments": {"refund_amount": "12.50"}}), Known("write"), "high", "money: refund_amount 12.50"),
        (approval(preview={"arguments": {"amount": 0}}), Known("write"), "medium", "changes something"),
        (approval(preview={"arguments": {"amount": "many"}}), Known("read"), "low", "only reads"),
        (approval(preview={"arguments": {"to": ["a"] * 12}}), Known("read"), "medium", "12 in to"),
        (approval(preview={"arguments": {"where": "*"}}), Known("write"), "high", "all there are"),
        (approval(quorum=2), Known("read"), "medium", "2 people"),
        (approval(kind="checkpoint", preview={"question": "Go on?"}), Known(), "low", "question of the pack"),
        (approval(kind="model", preview={"request": {}}), Known(None, {"EMAIL": 3}), "low", "A model is asked"),
        (approval(preview=None, reasons=None), Known("read"), "low", "only reads"),
    ],
)
def test_the_gravest_that_is_known_makes_the_level_and_is_said_first(
    asked: dict[str, Any], known: Known, level: str, says: str
) -> None:
    risk = risk_of(asked, known)
    assert risk["level"] == level == risk["because"][0]["level"]
    assert any(says in each["text"] for each in risk["because"] if each["level"] == level), risk
