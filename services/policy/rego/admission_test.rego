package agentos.admission_test

import data.agentos.admission

ask := {
	"tenant": "acme",
	"task_type": "github.issue",
	"pack": "engineering",
	"requester": {"kind": "webhook", "id": "github", "roles": []},
	"attempt": 1,
	"priority": "normal",
	"labels": {},
	"known_task_types": ["github.issue"],
	"known_packs": [],
	"kill": [],
}

test_a_webhook_task_of_a_known_type_is_admitted if {
	admission.decision.verdict == "allow" with input as ask
}

test_no_pack_lets_the_router_choose if {
	admission.decision.verdict == "allow" with input as object.union(ask, {"pack": null})
}

test_an_empty_input_is_denied_by_default if {
	d := admission.decision with input as {}
	d.verdict == "deny"
	d.rules == ["admission.default_deny"]
}

test_a_missing_field_is_denied_by_default if {
	every field, _ in ask {
		d := admission.decision with input as object.remove(ask, [field])
		d.verdict == "deny"
	}
}

test_an_unknown_task_type_is_denied if {
	d := admission.decision with input as object.union(ask, {"task_type": "nope"})
	d.reasons == ["task_type.unknown"]
}

test_an_unknown_pack_is_denied if {
	d := admission.decision with input as object.union(ask, {"pack": "nope"})
	d.reasons == ["pack.unknown"]
}

test_a_present_pack_is_known if {
	d := admission.decision with input as object.union(ask, {"pack": "support", "known_packs": ["support"]})
	d.verdict == "allow"
}

test_a_disabled_pack_is_denied if {
	d := admission.decision with input as ask with data.config.packs.engineering.enabled as false
	d.reasons == ["pack.disabled"]
}

test_a_kill_switch_denies if {
	d := admission.decision with input as object.union(ask, {"kill": ["global"]})
	d.reasons == ["kill_switch.engaged"]
}

test_a_viewer_may_not_submit if {
	d := admission.decision with input as object.union(ask, {"requester": {"kind": "api_key", "id": "k", "roles": ["viewer"]}})
	d.reasons == ["requester.forbidden"]
}

test_an_author_may_submit if {
	d := admission.decision with input as object.union(ask, {"requester": {"kind": "api_key", "id": "k", "roles": ["author"]}})
	d.verdict == "allow"
}

test_too_many_attempts_are_denied if {
	d := admission.decision with input as object.union(ask, {"attempt": 21})
	d.reasons == ["attempts.exhausted"]
}

test_too_many_labels_are_denied if {
	labels := {sprintf("l%d", [n]): "x" | some n in numbers.range(1, 65)}
	d := admission.decision with input as object.union(ask, {"labels": labels})
	d.reasons == ["labels.too_many"]
}

test_all_reasons_are_given_in_order if {
	d := admission.decision with input as object.union(ask, {"task_type": "nope", "pack": "nope", "kill": ["global"]})
	d.reasons == ["kill_switch.engaged", "pack.unknown", "task_type.unknown"]
}
