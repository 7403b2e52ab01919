# Where will this text go, and what must become of each entity in it before? Asked before redaction.
package agentos.redaction

import data.agentos.lib

decision := lib.ruling("redaction", denials, set(), {}, obligations) if well_formed

decision := lib.no_rule_allows("redaction") if not well_formed

well_formed if {
	is_string(input.tenant)
	is_string(input.pack)
	is_string(input.agent)
	is_string(input.task_type)
	is_array(input.labels)
	valid_target
}

valid_target if {
	input.kind == "model"
	is_string(input.model)
}

# A tool's arguments are shown to approvers and kept in the log.
valid_target if input.kind == "tool"

obligations := {"destination": destination, "providers": sort(providers), "operators": operators}

named_provider := split(input.model, "/")[0] if {
	input.kind == "model"
	contains(input.model, "/")
}

# An alias may end at any provider, so it counts as the strictest destination; and so does a provider that nobody classified.
default destination := "cloud"

destination := "log" if input.kind == "tool"

destination := data.config.redaction.destinations[named_provider] if input.kind == "model"

# Where a provider is named, a fallback stays within its class. Empty means any: what is fit for the strictest is fit for all.
providers contains name if {
	destination != "cloud"
	some name, class in data.config.redaction.destinations
	class == destination
}

default operators := {}

operators := data.config.redaction.operators[destination]

# Every destination says what becomes of an entity that it does not name.
denials contains {"reason": "redaction.no_default_operator", "rule": "redaction.operators"} if not operators["*"]

denials contains {"reason": "redaction.unknown_operator", "rule": "redaction.operators"} if {
	some operator in operators
	not operator in ["replace", "mask", "hash", "drop", "block", "allow"]
}
