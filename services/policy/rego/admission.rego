# May this task start? Asked once per submitted task, before it is routed.
package agentos.admission

default decision := {
	"verdict": "deny",
	"reasons": ["policy.no_rule_allows"],
	"rules": ["admission.default_deny"],
	"obligations": {},
}

decision := {
	"verdict": "deny",
	"reasons": sort({d.reason | some d in denials}),
	"rules": sort({d.rule | some d in denials}),
	"obligations": {},
} if {
	well_formed
	count(denials) > 0
}

decision := {
	"verdict": "allow",
	"reasons": ["admission.allowed"],
	"rules": ["admission.allow"],
	"obligations": {"max_calls": max_calls},
} if {
	well_formed
	count(denials) == 0
	requester_may_submit
	input.task_type in input.known_task_types
}

# What is not there cannot be denied by a rule that reads it: so shape comes first, and everything else is the default.
well_formed if {
	is_string(input.tenant)
	is_string(input.task_type)
	is_array(input.known_task_types)
	is_array(input.known_packs)
	is_array(input.kill)
	is_array(input.requester.roles)
	is_string(input.requester.kind)
	is_number(input.attempt)
	is_object(input.labels)
	valid_pack
	input.priority in ["high", "normal", "low"]
}

valid_pack if is_string(input.pack)

valid_pack if is_null(input.pack)

max_calls := data.config.limits.max_calls_per_task

requester_may_submit if input.requester.kind in ["webhook", "service", "pack"]

requester_may_submit if {
	input.requester.kind == "api_key"
	some role in input.requester.roles
	"tasks.submit" in data.config.roles[role]
}

known_packs contains name if some name in input.known_packs

known_packs contains name if some name, _ in data.config.packs

denials contains {"reason": "kill_switch.engaged", "rule": "admission.kill_switch"} if count(input.kill) > 0

denials contains {"reason": "task_type.unknown", "rule": "admission.known_task_type"} if {
	not input.task_type in input.known_task_types
}

denials contains {"reason": "pack.unknown", "rule": "admission.known_pack"} if {
	is_string(input.pack)
	not input.pack in known_packs
}

denials contains {"reason": "pack.disabled", "rule": "admission.enabled_pack"} if {
	is_string(input.pack)
	data.config.packs[input.pack].enabled == false
}

denials contains {"reason": "requester.forbidden", "rule": "admission.requester"} if not requester_may_submit

denials contains {"reason": "attempts.exhausted", "rule": "admission.max_attempts"} if {
	input.attempt > data.config.limits.max_attempts
}

denials contains {"reason": "labels.too_many", "rule": "admission.max_labels"} if {
	count(input.labels) > data.config.limits.max_labels
}
