package agentos.model_call_test

import data.agentos.model_call

ask := {
	"tenant": "acme",
	"task": "t1",
	"pack": "engineering",
	"agent": "triage",
	"model": "default",
	"estimated_input_tokens": 900,
	"max_output_tokens": 1024,
	"data_classes": ["CREDIT_CARD", "EMAIL_ADDRESS"],
	"redacted": true,
	"calls_so_far": 0,
}

test_a_redacted_call_within_limits_is_allowed_with_obligations if {
	d := model_call.decision with input as ask
	d.verdict == "allow"
	d.obligations == {"redact": true, "max_output_tokens": 1024, "providers": []}
}

test_an_empty_input_is_denied_by_default if {
	d := model_call.decision with input as {}
	d.rules == ["model_call.default_deny"]
}

test_a_missing_field_is_denied_by_default if {
	every field, _ in ask {
		d := model_call.decision with input as object.remove(ask, [field])
		d.verdict == "deny"
	}
}

test_a_call_that_was_not_redacted_is_denied if {
	d := model_call.decision with input as object.union(ask, {"redacted": false})
	d.reasons == ["redaction.missing"]
}

test_limits_are_inclusive_for_tokens if {
	d := model_call.decision with input as object.union(ask, {"max_output_tokens": 32000, "estimated_input_tokens": 200000})
	d.verdict == "allow"
}

test_limits_deny if {
	d := model_call.decision with input as object.union(
		ask,
		{"max_output_tokens": 32001, "estimated_input_tokens": 200001, "calls_so_far": 100},
	)
	d.reasons == ["limit.calls", "limit.input_tokens", "limit.output_tokens"]
}

test_a_pack_may_have_a_limit_of_its_own if {
	d := model_call.decision with input as ask with data.config.packs.engineering.limits.max_output_tokens as 1000
	d.reasons == ["limit.output_tokens"]
}

test_a_limit_of_zero_is_a_limit if {
	d := model_call.decision with input as ask with data.config.packs.engineering.limits.max_calls_per_task as 0
	d.reasons == ["limit.calls"]
}

test_a_policy_without_limits_allows_nothing if {
	d := model_call.decision with input as ask with data.config.limits as {}
	d.verdict == "deny"
}

test_a_denied_model_is_denied if {
	d := model_call.decision with input as ask with data.config.models.denied as ["default"]
	d.reasons == ["model.denied"]
}

test_a_model_off_the_list_is_denied_when_there_is_a_list if {
	d := model_call.decision with input as ask with data.config.models.allowed as ["openai/gpt-5-mini"]
	d.reasons == ["model.not_listed"]
}

test_a_denied_data_class_is_denied if {
	d := model_call.decision with input as ask with data.config.data_classes.denied as ["CREDIT_CARD"]
	d.reasons == ["data_class.denied"]
}

test_data_classes_narrow_the_providers if {
	d := model_call.decision with input as ask
		with data.config.data_classes.providers as {"CREDIT_CARD": ["ollama", "openai"], "EMAIL_ADDRESS": ["anthropic", "ollama"], "IBAN_CODE": ["x"]}
	d.obligations.providers == ["ollama"]
}

test_no_provider_for_all_data_classes_denies if {
	d := model_call.decision with input as ask
		with data.config.data_classes.providers as {"CREDIT_CARD": ["ollama"], "EMAIL_ADDRESS": ["anthropic"]}
	d.reasons == ["provider.none_permitted"]
}

test_an_empty_provider_list_denies if {
	d := model_call.decision with input as ask with data.config.data_classes.providers as {"CREDIT_CARD": []}
	d.reasons == ["provider.none_permitted"]
}

test_a_disabled_pack_is_denied if {
	d := model_call.decision with input as ask with data.config.packs.engineering.enabled as false
	d.reasons == ["pack.disabled"]
}
