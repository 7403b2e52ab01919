# Who of those that could may do this: packs for a task (kind "task"), or providers for a model call (kind "model").
package agentos.routing

import data.agentos.lib

decision := lib.ruling("routing", denials | unmonitored, set(), {}, {"candidates": sort(permitted)}) if well_formed

decision := lib.no_rule_allows("routing") if not well_formed

well_formed if {
	is_string(input.tenant)
	is_string(input.task_type)
	is_string(input.pack)
	is_boolean(input.untrusted)
	is_array(input.data_classes)
	is_array(input.candidates)
	input.kind in ["task", "model"]
}

# What the configuration says of a candidate: restrictions, each of which may be left out.
restrictions(candidate) := data.config.routing.packs[candidate] if input.kind == "task"

restrictions(candidate) := data.config.routing.providers[candidate] if input.kind == "model"

permitted contains candidate if {
	some candidate in input.candidates
	not candidate in excluded
}

excluded contains exclusion.candidate if some exclusion in lib.enforced(exclusions)

# An exclusion by a monitored rule excludes nobody, but the answer says that it would have.
unmonitored contains exclusion if {
	some exclusion in exclusions
	lib.monitored(exclusion.rule)
}

denials contains {"reason": "routing.none_permitted", "rule": "routing.permitted"} if count(permitted) == 0

# When nobody is left, the answer says why.
denials contains exclusion if {
	count(permitted) == 0
	some exclusion in exclusions
}

exclusions contains {"candidate": candidate, "reason": "pack.disabled", "rule": "routing.enabled_pack"} if {
	input.kind == "task"
	some candidate in input.candidates
	lib.pack_disabled(candidate)
}

exclusions contains {"candidate": candidate, "reason": "routing.tenant", "rule": "routing.tenants"} if {
	some candidate in input.candidates
	listed := restrictions(candidate).tenants
	not input.tenant in listed
}

exclusions contains {"candidate": candidate, "reason": "routing.task_type", "rule": "routing.task_types"} if {
	some candidate in input.candidates
	listed := restrictions(candidate).task_types
	not input.task_type in listed
}

exclusions contains {"candidate": candidate, "reason": "routing.pack", "rule": "routing.provider_packs"} if {
	input.kind == "model"
	some candidate in input.candidates
	listed := restrictions(candidate).packs
	not input.pack in listed
}

exclusions contains {"candidate": candidate, "reason": "routing.untrusted", "rule": "routing.trusted_only"} if {
	input.untrusted == true
	some candidate in input.candidates
	restrictions(candidate).trusted_only == true
}

exclusions contains {"candidate": candidate, "reason": "routing.data_class", "rule": "routing.data_classes"} if {
	some candidate in input.candidates
	some class in input.data_classes
	class in restrictions(candidate).denied_data_classes
}
