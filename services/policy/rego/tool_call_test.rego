package agentos.tool_call_test

import data.agentos.tool_call

ask := {
	"tenant": "acme",
	"task": "t1",
	"pack": "engineering",
	"agent": "triage",
	"tool": "github.get_issue",
	"declared_tools": ["github.comment", "github.get_issue", "local.note"],
	"effect": "read",
	"untrusted": true,
}

test_a_listed_read_is_allowed if {
	tool_call.decision.verdict == "allow" with input as ask
}

test_a_comment_is_held_for_approval if {
	d := tool_call.decision with input as object.union(ask, {"tool": "github.comment", "effect": "egress"})
	d.verdict == "hold"
	d.obligations == {"approver_roles": ["approver", "admin"], "expires_after_s": 86400}
}

test_a_held_tool_is_held_whatever_effect_it_claims if {
	d := tool_call.decision with input as object.union(ask, {"tool": "github.comment", "effect": "read"})
	d.verdict == "hold"
}

test_an_empty_input_is_denied_by_default if {
	d := tool_call.decision with input as {}
	d.rules == ["tool_call.default_deny"]
}

test_a_missing_field_is_denied_by_default if {
	every field, _ in ask {
		d := tool_call.decision with input as object.remove(ask, [field])
		d.verdict == "deny"
	}
}

test_an_undeclared_tool_is_denied if {
	d := tool_call.decision with input as object.union(ask, {"declared_tools": []})
	d.reasons == ["tool.undeclared"]
}

test_an_unknown_tool_is_denied if {
	d := tool_call.decision with input as object.union(ask, {"tool": "shell", "declared_tools": ["shell"]})
	d.reasons == ["tool.unknown"]
}

test_a_tool_of_a_listed_namespace_is_judged_by_its_effect if {
	every effect, verdict in {"read": "allow", "write": "hold", "egress": "hold"} {
		d := tool_call.decision with input as object.union(ask, {"tool": "local.note", "effect": effect})
		d.verdict == verdict
	}
}

test_a_namespace_pattern_is_no_tool if {
	d := tool_call.decision with input as object.union(ask, {"tool": "local", "declared_tools": ["local"]})
	d.reasons == ["tool.unknown"]
}

test_a_denied_tool_is_denied if {
	d := tool_call.decision with input as ask with data.config.tools as {"github.get_issue": {"rule": "deny"}}
	d.reasons == ["tool.denied"]
}

test_an_allowed_write_runs_for_a_trusted_task if {
	d := tool_call.decision with input as object.union(ask, {"effect": "write", "untrusted": false})
		with data.config.tools as {"github.get_issue": {"rule": "allow"}}
	d.verdict == "allow"
}

test_an_allowed_write_is_held_for_an_untrusted_task if {
	d := tool_call.decision with input as object.union(ask, {"effect": "write"})
		with data.config.tools as {"github.get_issue": {"rule": "allow"}}
	d.reasons == ["task.untrusted"]
}

test_an_allowed_write_may_be_opened_to_untrusted_tasks if {
	d := tool_call.decision with input as object.union(ask, {"effect": "write"})
		with data.config.tools as {"github.get_issue": {"rule": "allow", "untrusted": true}}
	d.verdict == "allow"
}

test_a_misspelt_rule_allows_nothing if {
	d := tool_call.decision with input as ask with data.config.tools as {"github.get_issue": {"rule": "alow"}}
	d.verdict == "deny"
}

test_a_disabled_pack_is_denied if {
	d := tool_call.decision with input as ask with data.config.packs.engineering.enabled as false
	d.reasons == ["pack.disabled"]
}
