package agentos.trigger_test

import data.agentos.trigger

quiet := {"calls": 0, "failed": 0, "decided": 0, "denied": 0, "spend_usd": 0}

asked(scope, target, minute) := {
	"tenant": "acme",
	"scope": scope,
	"target": target,
	"windows": {"1m": object.union(quiet, minute), "5m": quiet},
}

spend := {
	"name": "spend", "scope": "pack", "metric": "spend_usd", "window": "1m", "limit": 5, "mode": "drain", "cool_down_s": 600,
}

errors := {
	"name": "errors", "scope": "provider", "target": "openai", "metric": "error_rate", "window": "1m", "limit": 0.5,
	"min_count": 20, "mode": "halt", "cool_down_s": 300,
}

denials := {
	"name": "denials", "scope": "pack", "metric": "denial_rate", "window": "1m", "limit": 0.8, "min_count": 10, "mode": "halt",
	"cool_down_s": 300,
}

judged(question) := decision if {
	decision := trigger.decision with input as question with data.config.kill.triggers as [spend, errors, denials]
}

test_an_empty_input_is_denied_by_default_and_trips_nothing if {
	d := trigger.decision with input as {} with data.config.kill.triggers as [spend]
	d.rules == ["trigger.default_deny"]
	d.obligations == {}
}

test_nothing_trips_without_triggers if {
	d := trigger.decision with input as asked("pack", "p", {"spend_usd": 1000}) with data.config.kill.triggers as []
	d.verdict == "allow"
	d.obligations.triggers == 0
}

test_the_number_of_triggers_is_told if {
	judged(asked("pack", "p", {})).obligations.triggers == 3
}

test_a_spend_at_the_limit_trips_its_scope_with_what_the_trigger_says if {
	d := judged(asked("pack", "p", {"spend_usd": 5}))
	d.verdict == "deny"
	d.reasons == ["trigger.spend_usd"]
	d.obligations == {
		"trigger": "spend", "scope": "pack", "target": "p", "mode": "drain", "cool_down_s": 600,
		"reason": "trigger spend: spend_usd of pack p reached 5 within 1m",
	}
}

test_below_the_limit_or_in_another_scope_nothing_trips if {
	judged(asked("pack", "p", {"spend_usd": 4.99})).verdict == "allow"
	judged(asked("tenant", "acme", {"spend_usd": 500})).verdict == "allow"
}

test_an_error_rate_needs_its_count_and_its_target if {
	judged(asked("provider", "openai", {"calls": 20, "failed": 10})).verdict == "deny"
	judged(asked("provider", "openai", {"calls": 19, "failed": 19})).verdict == "allow"
	judged(asked("provider", "openai", {"calls": 20, "failed": 9})).verdict == "allow"
	judged(asked("provider", "gemini", {"calls": 20, "failed": 20})).verdict == "allow"
}

test_a_denial_rate_needs_its_count if {
	judged(asked("pack", "p", {"decided": 10, "denied": 8})).reasons == ["trigger.denial_rate"]
	judged(asked("pack", "p", {"decided": 9, "denied": 9})).verdict == "allow"
	judged(asked("pack", "p", {"decided": 10, "denied": 7})).verdict == "allow"
}

test_of_two_that_trip_the_one_that_cancels_comes_first if {
	d := judged(asked("pack", "p", {"spend_usd": 9, "decided": 10, "denied": 10}))
	d.reasons == ["trigger.denial_rate", "trigger.spend_usd"]
	d.rules == ["trigger.denials", "trigger.spend"]
	d.obligations.trigger == "denials"
	d.obligations.mode == "halt"
}
