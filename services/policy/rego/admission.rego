# May this task start? Asked once per attempt, before it is routed.
package agentos.admission

import data.agentos.lib

decision := lib.ruling("admission", denials, set(), {}, obligations) if well_formed

decision := lib.no_rule_allows("admission") if not well_formed

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

limits_known if is_number(data.config.limits.max_calls_per_task)

within_attempts if input.attempt <= data.config.limits.max_attempts

within_labels if count(input.labels) <= data.config.limits.max_labels

obligations := {"max_calls": calls | calls := data.config.limits.max_calls_per_task}

requester_may_submit if input.requester.kind in ["webhook", "service", "pack"]

requester_may_submit if {
	input.requester.kind in ["user", "api_key"]
	some role in input.requester.roles
	"tasks.submit" in data.config.roles[role]
}

pack_known if input.pack in input.known_packs

pack_known if data.config.packs[input.pack]

denials contains {"reason": "kill_switch.engaged", "rule": "admission.kill_switch"} if count(input.kill) > 0

denials contains {"reason": "limit.missing", "rule": "admission.limits"} if not limits_known

denials contains {"reason": "task_type.unknown", "rule": "admission.known_task_type"} if {
	not input.task_type in input.known_task_types
}

denials contains {"reason": "pack.unknown", "rule": "admission.known_pack"} if {
	is_string(input.pack)
	not pack_known
}

denials contains {"reason": "pack.disabled", "rule": "admission.enabled_pack"} if lib.pack_disabled(input.pack)

denials contains {"reason": "requester.forbidden", "rule": "admission.requester"} if not requester_may_submit

denials contains {"reason": "attempts.exhausted", "rule": "admission.max_attempts"} if not within_attempts

denials contains {"reason": "labels.too_many", "rule": "admission.max_labels"} if not within_labels
