# May this pack ask a person, and who answers?
package agentos.checkpoint

import data.agentos.lib

decision := lib.ruling("checkpoint", denials, set(), {}, lib.terms(special_terms)) if well_formed

decision := lib.no_rule_allows("checkpoint") if not well_formed

well_formed if {
	is_string(input.tenant)
	is_string(input.task)
	is_string(input.task_type)
	is_string(input.pack)
	is_string(input.agent)
	is_boolean(input.untrusted)
	is_number(input.asked_so_far)
}

within_limit if input.asked_so_far < data.config.checkpoints.max_per_task

default special_terms := {}

special_terms := data.config.checkpoints.packs[input.pack]

denials contains {"reason": "pack.disabled", "rule": "checkpoint.enabled_pack"} if lib.pack_disabled(input.pack)

# A pack that asks again and again wears its approvers down.
denials contains {"reason": "limit.checkpoints", "rule": "checkpoint.max_per_task"} if not within_limit
