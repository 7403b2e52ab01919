# May this model call leave the house, and under which obligations? Asked after redaction, before routing.
package agentos.model_call

default decision := {
	"verdict": "deny",
	"reasons": ["policy.no_rule_allows"],
	"rules": ["model_call.default_deny"],
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
	"reasons": ["model_call.allowed"],
	"rules": ["model_call.allow"],
	"obligations": {
		"redact": true,
		"max_output_tokens": input.max_output_tokens,
		"providers": sort(providers),
	},
} if {
	well_formed
	count(denials) == 0
	input.redacted == true
	input.max_output_tokens <= limit.max_output_tokens
	input.estimated_input_tokens <= limit.max_input_tokens
	input.calls_so_far < limit.max_calls_per_task
}

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
}

# A pack's own limit stands in for the general one, name by name.
limit[name] := value if {
	some name, value in data.config.limits
	not data.config.packs[input.pack].limits[name]
}

limit[name] := value if some name, value in data.config.packs[input.pack].limits

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

denials contains {"reason": "limit.output_tokens", "rule": "model_call.max_output_tokens"} if {
	input.max_output_tokens > limit.max_output_tokens
}

denials contains {"reason": "limit.input_tokens", "rule": "model_call.max_input_tokens"} if {
	input.estimated_input_tokens > limit.max_input_tokens
}

denials contains {"reason": "limit.calls", "rule": "model_call.max_calls_per_task"} if {
	input.calls_so_far >= limit.max_calls_per_task
}

denials contains {"reason": "pack.disabled", "rule": "model_call.enabled_pack"} if {
	data.config.packs[input.pack].enabled == false
}

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
