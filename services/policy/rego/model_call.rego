# May this model call leave the house, and under which obligations? Asked after redaction, before routing.
package agentos.model_call

import data.agentos.lib

decision := lib.ruling("model_call", denials, holds, {}, object.union(obligations, added)) if well_formed

decision := lib.no_rule_allows("model_call") if not well_formed

well_formed if {
	is_string(input.tenant)
	is_string(input.task)
	is_string(input.pack)
	is_string(input.agent)
	is_string(input.model)
	is_number(input.estimated_input_tokens)
	is_number(input.max_output_tokens)
	is_number(input.calls_so_far)
	is_array(input.data_classes)
	is_boolean(input.redacted)
	lib.history_given
}

obligations := {"redact": true, "max_output_tokens": input.max_output_tokens, "providers": sort(providers)}

# Rules on the task's history have a package of their own, which may be absent.
default added := {}

added := data.agentos.history.obligations

denials contains denial if some denial in data.agentos.history.denials

holds contains hold if some hold in data.agentos.history.holds

default own_limits := {}

own_limits := data.config.packs[input.pack].limits

# A pack's own limit stands in for the general one, name by name.
limits := object.union(data.config.limits, own_limits)

within_output if input.max_output_tokens <= limits.max_output_tokens

within_input if input.estimated_input_tokens <= limits.max_input_tokens

within_calls if input.calls_so_far < limits.max_calls_per_task

# Providers that may see this call. Empty means any; each data class with a list of its own narrows it.
restricted contains class if {
	some class in input.data_classes
	data.config.data_classes.providers[class]
}

providers contains name if {
	some class in restricted
	some name in data.config.data_classes.providers[class]
	every other in restricted {
		name in data.config.data_classes.providers[other]
	}
}

denials contains {"reason": "redaction.missing", "rule": "model_call.redacted"} if input.redacted != true

denials contains {"reason": "limit.output_tokens", "rule": "model_call.max_output_tokens"} if not within_output

denials contains {"reason": "limit.input_tokens", "rule": "model_call.max_input_tokens"} if not within_input

denials contains {"reason": "limit.calls", "rule": "model_call.max_calls_per_task"} if not within_calls

denials contains {"reason": "pack.disabled", "rule": "model_call.enabled_pack"} if lib.pack_disabled(input.pack)

denials contains {"reason": "model.denied", "rule": "model_call.denied_models"} if {
	input.model in data.config.models.denied
}

denials contains {"reason": "model.not_listed", "rule": "model_call.allowed_models"} if {
	count(data.config.models.allowed) > 0
	not input.model in data.config.models.allowed
}

denials contains {"reason": "data_class.denied", "rule": "model_call.denied_data_classes"} if {
	some class in input.data_classes
	class in data.config.data_classes.denied
}

denials contains {"reason": "provider.none_permitted", "rule": "model_call.data_class_providers"} if {
	count(restricted) > 0
	count(providers) == 0
}
