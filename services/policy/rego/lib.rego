# What the packages share: how findings become a ruling, and who answers what is held.
#
# A finding is {"reason": <code>, "rule": <id>}. A package collects them in the partial sets `denials` and `holds`; what it allows needs no
# rule of its own, so whatever must be true is a rule, and its absence a denial (`not within_limit`: where there is no limit, too). The
# comparison stands in a rule of its own: OPA takes `not x <= data.no.such` for undefined, not for true.
package agentos.lib

# Rules that configuration cannot turn into observers: without them nothing else that is decided could be relied on.
always_enforced := {
	"admission.kill_switch",
	"admission.limits",
	"api.known_action",
	"api.principal_kind",
	"api.role_permits",
	"approval.approver_roles",
	"approval.delegation",
	"approval.digest",
	"approval.principal_kind",
	"approval.votes_once",
	"budget.one_of_each_id",
	"budget.valid",
	"model_call.redacted",
	"redaction.operators",
	"routing.permitted",
	"tool_call.known_rule",
}

default monitored(_) := false

monitored(rule) if {
	data.config.modes[rule] == "monitor"
	not rule in always_enforced
}

enforced(findings) := {finding | some finding in findings; not monitored(finding.rule)}

observed(findings) := sort({finding.rule | some finding in findings; monitored(finding.rule)})

# The answer when the question has not the shape that the rules read. What is not there cannot be denied by a rule that reads it.
no_rule_allows(name) := {
	"verdict": "deny",
	"reasons": ["policy.no_rule_allows"],
	"rules": [concat(".", [name, "default_deny"])],
	"monitored": [],
	"obligations": {},
}

# `special_terms` are what a hold asks for beyond the house's terms. A denial is stronger than a hold, and a hold than the permission that is left when nothing was found.
ruling(name, denials, holds, special_terms, obligations) := answer(
	name,
	enforced(denials),
	enforced(holds),
	observed(denials | holds),
	{"hold": special_terms, "allow": obligations},
)

answer(_, denials, _, monitored_rules, _) := {
	"verdict": "deny",
	"reasons": sort({denial.reason | some denial in denials}),
	"rules": sort({denial.rule | some denial in denials}),
	"monitored": monitored_rules,
	"obligations": {},
} if {
	count(denials) > 0
}

answer(_, denials, holds, monitored_rules, special) := {
	"verdict": "hold",
	"reasons": sort({hold.reason | some hold in holds}),
	"rules": sort({hold.rule | some hold in holds}),
	"monitored": monitored_rules,
	"obligations": terms(special.hold),
} if {
	count(denials) == 0
	count(holds) > 0
}

answer(name, denials, holds, monitored_rules, obligations) := {
	"verdict": "allow",
	"reasons": [concat(".", [name, "allowed"])],
	"rules": [concat(".", [name, "allow"])],
	"monitored": monitored_rules,
	"obligations": obligations.allow,
} if {
	count(denials) == 0
	count(holds) == 0
}

# Who may answer, how many must, until when, and what happens meanwhile: the house's terms, and what `special` says otherwise.
terms(special) := object.union(data.config.approvals.terms, special)

pack_disabled(pack) if data.config.packs[pack].enabled == false

# The task's labelled history, as far as its shape goes.
history_given if {
	is_array(input.history.labels)
	is_array(input.history.sources)
	is_array(input.history.declared)
	is_object(input.history.calls)
	is_object(input.history.effects)
	is_object(input.history.windows)
	is_number(input.history.denied)
	is_number(input.history.spent_microusd)
}
